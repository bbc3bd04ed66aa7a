"""Site-Net as a Lightning module: MAE on the clamped output (10.1039/d3dd00005b)."""

import torch
from torch import Tensor

from sitenet.model.sitenet import SiteNet
from sitenet.options.training import TrainingSettings
from sitenet.shards.batch import RaggedBatch
from sitenet.train.batch_module import BatchModule
from sitenet.train.batches import Batches
from sitenet.train.graphs import ReplayedError, absolute_error, replayed_error

Batch = tuple[RaggedBatch, Tensor, Tensor, float]


class SupervisedModule(BatchModule):
    """Trains a Site-Net with labels.

    `train_mae` and `val_mae` hold the latest epoch's errors in the label's unit.
    """

    model: SiteNet

    def __init__(
        self, model: SiteNet, settings: TrainingSettings, train: Batches, validation: Batches
    ) -> None:
        super().__init__(model, settings, train, validation)
        self.train_mae = self.val_mae = float("nan")
        self._error, self._count = torch.zeros(()), 0
        self.replayed: ReplayedError | None = None

    def measures(self) -> dict[str, float]:
        """The latest epoch's errors."""
        return {"train_mae": self.train_mae, "val_mae": self.val_mae}

    def on_fit_start(self) -> None:
        """Choose how training steps are launched."""
        device = self.trainer.strategy.root_device
        self.replayed = replayed_error(self.model, self.settings, device, self.train_batches)

    def on_fit_end(self) -> None:
        """Give back the graph's memory: the model may now be moved."""
        self.replayed = None

    def on_train_epoch_start(self) -> None:
        """Shuffle by the epoch's number, so that a resumed run sees the same batches."""
        self.train_batches.epoch = self.current_epoch
        self._start()

    def training_step(self, batch: Batch, _: int) -> Tensor:
        """MAE of a batch in units of the label scale, this process's part of it."""
        error = self._add(batch, self.replayed)
        return error * (batch[-1] / len(batch[1])) / self.model.label_scale

    def validation_step(self, batch: Batch, _: int) -> None:
        """Add a batch to the epoch's error."""
        self._add(batch)

    def on_validation_epoch_start(self) -> None:
        """Close the training epoch's error: validation runs at the end of it."""
        self.train_mae = self._mean()
        self._start()

    def on_validation_epoch_end(self) -> None:
        """Log the MAE that checkpoints and early stopping watch."""
        self.val_mae = self._mean()
        self.log("val_mae", self.val_mae)

    def _add(self, batch: Batch, replayed: ReplayedError | None = None) -> Tensor:
        """Summed absolute error of a batch, added to the epoch's."""
        crystals, target, _, weight = batch
        if replayed is not None:
            error = replayed(crystals, target)
        else:
            error = absolute_error(self.model, crystals, target)
        if weight > 0:
            self._error = self._error + error.detach()
            self._count += len(target)
        return error

    def _start(self) -> None:
        self._error, self._count = torch.zeros((), device=self.device), 0

    def _mean(self) -> float:
        """Mean over the crystals of all processes since the start."""
        total = torch.stack([self._error, torch.full_like(self._error, self._count)])
        total = self.trainer.strategy.reduce(total, reduce_op="sum")
        return float(total[0] / total[1])
