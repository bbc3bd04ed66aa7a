"""One trial: a training that tells Ray its validation error after every epoch."""

import math
from collections.abc import Mapping
from typing import Any

import lightning.pytorch as pl
import torch
from ray import tune

from sitenet.options.config import overlaid
from sitenet.options.model import ModelSettings
from sitenet.options.training import TrainingSettings
from sitenet.train.supervised import fit_watched
from sitenet.tune.jobs import FINISHED, SearchJob
from sitenet.tune.ranges import sections


class Report(pl.Callback):
    """The least validation error so far, by which trials are compared."""

    def __init__(self) -> None:
        self.best = math.inf

    def state_dict(self) -> dict[str, Any]:
        """The error, for a trial that goes on after a kill."""
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a checkpoint."""
        self.best = state_dict["best"]

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Tell Ray, which may end the trial here."""
        self.best = min(self.best, float(trainer.callback_metrics["val_mae"]))
        tune.report({"epoch": trainer.current_epoch + 1, "best_mae": self.best})


def run_trial(parameters: Mapping[str, Any], job: SearchJob, cpus: int) -> None:
    """Train with the drawn `parameters`; history and checkpoints in a folder named by the trial.

    Raises ValueError if the validation error stops being a number.
    """
    torch.set_num_threads(cpus)
    drawn = sections(parameters)
    folder = job.folder / "trials" / tune.get_context().get_trial_id()
    history = fit_watched(
        job.inputs,
        ModelSettings.from_dict(overlaid(job.model, drawn["model"])),
        TrainingSettings(**overlaid(job.training, drawn["training"])),
        folder,
        job.accelerator,
        [Report()],
    )
    if not math.isfinite(history.rows[-1]["val_mae"]):
        raise ValueError(f"the validation error is {history.rows[-1]['val_mae']}")
    (folder / FINISHED).touch()
