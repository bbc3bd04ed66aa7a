"""What happens after each epoch: history and a line for the person who waits."""

import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pandas as pd

from sitenet.files import atomic_path
from sitenet.progress import duration, log
from sitenet.train.module import SupervisedModule

COLUMNS = ["epoch", "train_mae", "val_mae", "learning_rate", "seconds", "structures_per_second"]


class History(pl.Callback):
    """One row per epoch, kept in the checkpoints and rewritten to a CSV after each epoch.

    Logs every improvement or at least one line every `interval` seconds.
    """

    def __init__(self, path: Path, label: str, unit: str, interval: float = 10.0) -> None:
        self.path, self.label, self.unit, self.interval = path, label, unit, interval
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
        """The row of the epoch with the lowest validation MAE (the first of equals)."""
        return min(self.rows, key=lambda row: row["val_mae"])

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Start the clock."""
        self._start = time.monotonic()

    def on_validation_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Stop the clock of the training part of the epoch."""
        self._train_seconds = time.monotonic() - self._start

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Append the epoch, rewrite the file, tell the person."""
        assert isinstance(module, SupervisedModule)
        seconds = time.monotonic() - self._start
        trained = len(module.train_batches.indices)
        row = [
            trainer.current_epoch + 1,
            module.train_mae,
            module.val_mae,
            trainer.optimizers[0].param_groups[0]["lr"],
            seconds,
            trained / self._train_seconds,
        ]
        self.rows.append(dict(zip(COLUMNS, row, strict=True)))
        if trainer.is_global_zero:
            with atomic_path(self.path) as temporary:
                pd.DataFrame(self.rows, columns=COLUMNS).to_csv(temporary, index=False)
            self._tell(trainer)

    def _tell(self, trainer: pl.Trainer) -> None:
        now, row, best = time.monotonic(), self.rows[-1], self.best()
        if now - self._last_line < self.interval and row["epoch"] < (trainer.max_epochs or 0):
            return
        self._last_line = now
        recent = [r["seconds"] for r in self.rows[-5:]]
        left = ((trainer.max_epochs or 0) - row["epoch"]) * sum(recent) / len(recent)
        log.info(
            f"{self.label}: epoch {row['epoch']}/{trainer.max_epochs}, MAE train "
            f"{row['train_mae']:.4g}, validation {row['val_mae']:.4g} {self.unit} (best "
            f"{best['val_mae']:.4g} at {best['epoch']}), {row['structures_per_second']:.3g} "
            f"crystals/s, at most {duration(left)} left"
        )
