"""Ray Tune: draws configurations, runs the trials, stops those that fall behind."""

import logging
import os
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read when Ray is imported

import ray
from ray import tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search import Searcher
from ray.tune.search.hyperopt import HyperOptSearch
from ray.tune.search.optuna import OptunaSearch

from sitenet.files import PACKAGE
from sitenet.options.search import SearchSettings
from sitenet.progress import log
from sitenet.tune.jobs import Machine, SearchJob, Tried
from sitenet.tune.ranges import LOGARITHMIC
from sitenet.tune.trial import run_trial


def explore(job: SearchJob, settings: SearchSettings, machine: Machine, label: str) -> list[Tried]:
    """Run or go on with a search in `job.folder`; every trial, in the order they were drawn."""
    _start_ray(settings, machine)
    try:
        results = _tuner(job, settings, machine, label).fit()
    finally:
        ray.shutdown()
    return [
        Tried(number, _trial_id(result), result.config, str(result.error) if result.error else None)
        for number, result in enumerate(results, 1)
    ]


def _trial_id(result: tune.Result) -> str:
    return Path(result.path).name


def _start_ray(settings: SearchSettings, machine: Machine) -> None:
    """Ray on this machine, or the cluster at the address; its workers find this package."""
    paths = [str(PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    here = {"num_cpus": machine.cpus, "num_gpus": machine.gpus, "include_dashboard": False}
    ray.init(
        address=settings.address or "local",
        runtime_env={"env_vars": {"PYTHONPATH": os.pathsep.join(paths)}},
        log_to_driver=False,
        logging_level=logging.ERROR,
        **({} if settings.address else here),
    )


def _tuner(job: SearchJob, settings: SearchSettings, machine: Machine, label: str) -> tune.Tuner:
    cpus = settings.cpus if settings.address else min(settings.cpus, machine.cpus)
    needed = {"cpu": cpus, "gpu": settings.gpus if job.accelerator == "gpu" else 0}
    trainable = tune.with_resources(partial(run_trial, job=job, cpus=cpus), needed)
    storage = job.folder.resolve() / "ray"
    if tune.Tuner.can_restore(storage):
        log.info(f"{label}: going on with an unfinished search")
        return tune.Tuner.restore(str(storage), trainable, resume_unfinished=True)
    scheduler = ASHAScheduler(
        time_attr="epoch",
        max_t=settings.max_epochs,
        grace_period=min(settings.grace_epochs, settings.max_epochs),
        reduction_factor=settings.reduction_factor,
    )
    return tune.Tuner(
        trainable,
        param_space={
            name: _domain(name, *limits) for name, limits in settings.ranges.to_dict().items()
        },
        tune_config=tune.TuneConfig(
            metric="best_mae",
            mode="min",
            search_alg=_algorithm(settings),
            scheduler=scheduler,
            num_samples=settings.trials,
            max_concurrent_trials=settings.concurrent,
            trial_dirname_creator=_folder_name,
        ),
        run_config=tune.RunConfig(
            name=storage.name,
            storage_path=str(storage.parent),
            verbose=0,
            callbacks=[Told(label, settings.trials)],
        ),
    )


def _folder_name(trial: Trial) -> str:
    return trial.trial_id


def _algorithm(settings: SearchSettings) -> Searcher:
    if settings.algorithm == "hyperopt":
        start = max(1, min(10, settings.trials // 3))
        return HyperOptSearch(random_state_seed=settings.seed, n_initial_points=start)
    return OptunaSearch(seed=settings.seed)


def _domain(name: str, low: float, high: float) -> Any:
    """Where a parameter is drawn; the number itself if there is no choice."""
    if low == high:
        return low
    if name == LOGARITHMIC:
        return tune.loguniform(low, high)
    return tune.randint(int(low), int(high) + 1)


class Told(tune.Callback):
    """A line for each trial that ends."""

    def __init__(self, label: str, trials: int) -> None:
        self.label, self.trials, self.ended, self.best = label, trials, 0, float("inf")

    def on_trial_complete(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """It came to its end, or was stopped."""
        result = trial.last_result
        self.best = min(self.best, result["best_mae"])
        self._tell(f"{result['best_mae']:.4g} after {result['epoch']} epochs")

    def on_trial_error(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """It failed."""
        self._tell("failed")

    def _tell(self, outcome: str) -> None:
        self.ended += 1
        log.info(
            f"{self.label}: trial {self.ended}/{self.trials}, validation MAE {outcome} "
            f"(best {self.best:.4g})"
        )
