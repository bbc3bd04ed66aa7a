"""The best epoch: its weights are kept, and a run ends some epochs after it."""

from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import EarlyStopping
from torch import Tensor

from sitenet.train.callbacks import History


class Best(pl.Callback):
    """The weights of the best epoch so far, in every checkpoint.

    In a file of their own they could be of another epoch than the checkpoint a killed run goes on
    from.
    """

    def __init__(self, history: History) -> None:
        self.history = history
        self.weights: dict[str, Tensor] = {}

    def state_dict(self) -> dict[str, Any]:
        """The weights, on the CPU."""
        return {"weights": self.weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Those of a resumed run."""
        self.weights = state_dict["weights"]

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Copy the weights if no epoch was better; `history` has its row already."""
        if self.history.best() is self.history.rows[-1]:
            self.weights = {k: v.detach().cpu().clone() for k, v in module.state_dict().items()}


class Patience(EarlyStopping):
    """Early stopping that stays stopped if the run is killed before its results are written."""

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """After the checkpoint was read, before the next epoch."""
        trainer.should_stop = self.wait_count >= self.patience
