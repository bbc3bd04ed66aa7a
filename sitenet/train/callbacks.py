"""What happens after each epoch: history and a line for the person who waits."""

import time
from pathlib import Path
from typing import Any, Protocol, cast

import lightning.pytorch as pl
import pandas as pd
import torch

from sitenet.progress import duration, log
from sitenet.tables import write_table


class Measured(Protocol):
    """A module whose epochs are told."""

    trained_crystals: int

    def measures(self) -> dict[str, float]:
        """The latest epoch's numbers, named train_... and val_..."""


class History(pl.Callback):
    """One row per epoch, kept in the checkpoints and rewritten to a CSV after each epoch.

    Logs a line at most every `interval` seconds with train_`measure` and val_`measure`, called
    `title` there; the latter is what a run is judged by (`watched`).
    """

    def __init__(
        self, path: Path, label: str, measure: str, title: str, interval: float = 10.0
    ) -> None:
        self.path, self.label, self.title, self.interval = path, label, title, interval
        self.trained, self.watched = f"train_{measure}", f"val_{measure}"
        self.rows: list[dict[str, float]] = []
        self._start = self._last_line = time.monotonic()
        self._train_seconds = 0.0

    def state_dict(self) -> dict[str, Any]:
        """The rows so far, as plain numbers."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue the rows of a resumed run."""
        self.rows = list(state_dict["rows"])

    def best(self) -> dict[str, float]:
        """The row of the epoch with the lowest watched measure (the first of equals)."""
        return min(self.rows, key=lambda row: row[self.watched])

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Start the clock."""
        self._start = time.monotonic()

    def on_validation_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Stop the clock of the training part of the epoch, once its last step is computed."""
        if module.device.type == "cuda":
            torch.cuda.synchronize()
        self._train_seconds = time.monotonic() - self._start

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Append the epoch, rewrite the file, tell the person."""
        measured = cast(Measured, module)
        self.rows.append(
            {
                "epoch": trainer.current_epoch + 1,
                **measured.measures(),
                "learning_rate": trainer.optimizers[0].param_groups[0]["lr"],
                "seconds": time.monotonic() - self._start,
                "structures_per_second": measured.trained_crystals / self._train_seconds,
            }
        )
        if trainer.is_global_zero:
            write_table(self.path, pd.DataFrame(self.rows))
            self._tell(trainer)

    def _tell(self, trainer: pl.Trainer) -> None:
        now, row, best = time.monotonic(), self.rows[-1], self.best()
        if now - self._last_line < self.interval and row["epoch"] < (trainer.max_epochs or 0):
            return
        self._last_line = now
        recent = [r["seconds"] for r in self.rows[-5:]]
        left = ((trainer.max_epochs or 0) - row["epoch"]) * sum(recent) / len(recent)
        log.info(
            f"{self.label}: epoch {row['epoch']}/{trainer.max_epochs}, {self.title} train "
            f"{row[self.trained]:.4g}, validation {row[self.watched]:.4g} (best "
            f"{best[self.watched]:.4g} at {best['epoch']}), {row['structures_per_second']:.3g} "
            f"crystals/s, at most {duration(left)} left"
        )
