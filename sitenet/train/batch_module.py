"""What all Lightning modules share: batches made by index arithmetic, AdamW and its schedule."""

from typing import Any

import lightning.pytorch as pl
import torch
from torch import nn

from sitenet.options.training import TrainingSettings
from sitenet.train.batches import Packs
from sitenet.train.optimiser import make_optimiser, make_schedule


class BatchModule(pl.LightningModule):
    """Trains `model` on the batches of `train`, watched on those of `validation`."""

    def __init__(
        self, model: nn.Module, settings: TrainingSettings, train: Packs, validation: Packs
    ) -> None:
        super().__init__()
        self.model, self.settings = model, settings
        self.train_batches, self.validation_batches = train, validation

    @property
    def trained_crystals(self) -> int:
        """Crystals that an epoch trains on."""
        return len(self.train_batches.indices)

    def setup(self, stage: str) -> None:
        """Move the crystals to this process's device and take its share of the batches."""
        for batches in (self.train_batches, self.validation_batches):
            batches.to(self.trainer.strategy.root_device)
            batches.rank, batches.world = self.trainer.global_rank, self.trainer.world_size

    def train_dataloader(self) -> Any:
        """Batches of the training part, repacked in every epoch."""
        return self.train_batches

    def val_dataloader(self) -> Any:
        """Batches of the validation part; processes share them too."""
        return self.validation_batches

    def transfer_batch_to_device(self, batch: Any, device: torch.device, _: int) -> Any:
        """The batch: it was made where it is needed."""
        return batch

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: float, gradient_clip_algorithm: Any = None
    ) -> None:
        """Clip by norm; Lightning would refuse a fused optimiser in mixed precision."""
        torch.nn.utils.clip_grad_norm_(self.parameters(), gradient_clip_val)

    def configure_optimizers(self) -> dict:
        """AdamW and a schedule that moves with every step."""
        optimiser = make_optimiser(self.model, self.settings)
        schedule = make_schedule(optimiser, self.settings, len(self.train_batches))
        return {
            "optimizer": optimiser,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }
