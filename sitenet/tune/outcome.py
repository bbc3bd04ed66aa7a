"""What a search leaves: a table of trials, their learning curves, the best as a configuration."""

from collections.abc import Mapping, Sequence
from copy import deepcopy  # YAML writes an object that it meets twice as a reference
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from sitenet.files import write_text
from sitenet.options.config import overlaid
from sitenet.options.search import RANGES
from sitenet.tune.jobs import FINISHED, SearchJob, Tried
from sitenet.tune.ranges import sections


def trial_table(
    tried: Sequence[Tried], folder: Path, max_epochs: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A row per trial, and a row per trial and epoch, from the histories in `folder`.

    Outcome of a trial: finished (by its patience or after `max_epochs`, when the scheduler may end
    it first), stopped (it fell behind) or failed; `val_mae` is its best.
    """
    rows, curves = [], []
    for trial in tried:
        place = folder / "trials" / trial.id
        path = place / "history.csv"
        history = pd.read_csv(path) if path.exists() else pd.DataFrame()
        whole = (place / FINISHED).exists() or len(history) >= max_epochs
        rows.append(
            {
                "trial": trial.number,
                "outcome": "failed" if trial.error else "finished" if whole else "stopped",
                "val_mae": history.val_mae.min() if len(history) else float("nan"),
                "epochs": len(history),
                "seconds": history.seconds.sum() if len(history) else 0.0,
                **{name: trial.parameters[name] for name in RANGES},
                "error": trial.error,
            }
        )
        if len(history):
            curves.append(history[["epoch", "train_mae", "val_mae"]].assign(trial=trial.number))
    return pd.DataFrame(rows), pd.concat(curves) if curves else pd.DataFrame()


def best_trial(trials: pd.DataFrame) -> Any:
    """The row of the trial with the least validation error.

    Raises ValueError if every trial failed.
    """
    whole = trials[trials.outcome != "failed"]
    if whole.empty:
        raise ValueError(f"all {len(trials)} trials failed, the first with: {trials.error.iloc[0]}")
    return whole.iloc[whole.val_mae.argmin()]


def write_best(path: Path, best: Any, job: SearchJob, run: Mapping[str, Any]) -> None:
    """The best trial as a configuration: a variant named tuned_..., and runs of it and its base.

    `run`: data set, n, task and variant that were searched for, and `overlay`, what that variant
    changes.
    """
    name = f"tuned_{path.parent.name}"
    drawn = sections({parameter: best[parameter] for parameter in RANGES})
    seed = job.training["seed"]
    shared = {"dataset": run["dataset"], "n": run["n"], "tasks": [run["task"]], "seeds": [seed]}
    config = {
        "variants": {name: overlaid(run["overlay"], drawn)},
        "runs": [{**deepcopy(shared), "variant": variant} for variant in (run["variant"], name)],
    }
    heading = (
        f"# The best of a search: trial {best.trial}, validation MAE {best.val_mae:.4g} "
        f"{job.inputs.unit} after {best.epochs} epochs.\n"
        f"# snakemake --configfile {path} trains it, and the variant it was laid over.\n"
    )
    write_text(path, heading + yaml.safe_dump(config, sort_keys=False))
