"""One search: trials in a space, their table and the best of them as a configuration."""

import shutil
from collections.abc import Mapping
from typing import Any

from sitenet.options.search import SearchSettings
from sitenet.progress import log
from sitenet.tables import write_table
from sitenet.tune.jobs import Machine, SearchJob, SearchOutputs
from sitenet.tune.outcome import best_trial, trial_table, write_best

MISSING = (
    "the search for hyperparameters needs Ray, which is not installed: run `make tune`, or "
    "`pip install -r requirements-tune.lock` into this environment"
)


def search(
    job: SearchJob,
    settings: SearchSettings,
    machine: Machine,
    outputs: SearchOutputs,
    run: Mapping[str, Any],
) -> None:
    """Try configurations and write the best; `run` (dataset, n, task, variant) is what it is for.

    A search that was killed goes on with its unfinished trials, each after its last epoch.

    Raises:
        ImportError: Ray is not installed.
        ValueError: every trial failed.
    """
    try:
        from sitenet.tune.engine import explore
    except ImportError as error:
        raise ImportError(MISSING) from error
    label = f"search {outputs.best.parent.name}"
    tried = explore(job, settings, machine, label)
    trials, curves = trial_table(tried, job.folder, job.training["max_epochs"])
    best = best_trial(trials)
    write_table(outputs.trials, trials)
    write_table(outputs.curves, curves)
    write_best(outputs.best, best, job, run)
    shutil.rmtree(job.folder, ignore_errors=True)
    log.info(
        f"{label}: best of {len(trials)} trials is {best.trial}, with a validation MAE of "
        f"{best.val_mae:.4g} {job.inputs.unit}; snakemake --configfile {outputs.best} trains it"
    )
