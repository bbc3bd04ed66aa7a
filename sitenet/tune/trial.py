"""One trial of a search: a training that reports its validation error to Ray after every epoch."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from ray import tune

from sitenet.options.config import overlaid
from sitenet.options.model import ModelSettings
from sitenet.options.training import TrainingSettings
from sitenet.train.history import History
from sitenet.train.supervised import train_watched
from sitenet.tune.jobs import FINISHED, SearchJob
from sitenet.tune.ranges import sections


def report_to_ray(history: History) -> None:
    """Report the lowest validation error so far; Ray may end the trial here."""
    tune.report({"epoch": len(history.rows), "best_mae": history.best()["val_mae"]})


def run_trial(parameters: Mapping[str, Any], job: SearchJob, cpus: int) -> None:
    """Train with the drawn `parameters`; history and checkpoints in a folder named by the trial.

    Raises ValueError if the validation error stops being a number.
    """
    torch.set_num_threads(cpus)
    drawn = sections(parameters)
    folder = job.folder / "trials" / tune.get_context().get_trial_id()
    history = train_watched(
        job.inputs,
        ModelSettings.from_dict(overlaid(job.model, drawn["model"])),
        TrainingSettings(**overlaid(job.training, drawn["training"])),
        folder,
        job.accelerator,
        report_to_ray,
    )
    if not math.isfinite(history.rows[-1]["val_mae"]):
        raise ValueError(f"the validation error is {history.rows[-1]['val_mae']}")
    (folder / FINISHED).touch()
