"""What trainings in several processes need beside Lightning: one log, one embedding."""

import multiprocessing
from typing import Any

import lightning.pytorch as pl
import torch
from torch import nn

from sitenet.progress import log_file, setup_logging


class SharedLog(pl.Callback):
    """Messages of the first process go where those of its parent go; the others are silent."""

    def __init__(self) -> None:
        self.path = log_file()

    def setup(self, trainer: pl.Trainer, module: pl.LightningModule, stage: str) -> None:
        """In a process that was started for the training."""
        if multiprocessing.parent_process() is not None and trainer.is_global_zero:
            setup_logging(self.path, append=True)


class SharedEmbedding(pl.Callback):
    """Lets every process rescale the elements of the whole batch, not only of its own part.

    Looking up an embedding with a largest norm rescales it in place, which gradients know nothing
    of: without this, the weights of the processes would drift apart.
    """

    def on_train_batch_start(
        self, trainer: pl.Trainer, module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Before the batch is computed."""
        self._rescale(trainer, module, batch)

    def on_validation_batch_start(
        self,
        trainer: pl.Trainer,
        module: pl.LightningModule,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Before the batch is computed: a look-up in the validation rescales too."""
        self._rescale(trainer, module, batch)

    def _rescale(self, trainer: pl.Trainer, module: pl.LightningModule, batch: Any) -> None:
        for layer in module.modules():
            if isinstance(layer, nn.Embedding) and layer.max_norm is not None:
                seen = torch.zeros(layer.num_embeddings, dtype=torch.int32, device=module.device)
                seen[batch[0].numbers] = 1
                everywhere = trainer.strategy.reduce(seen, reduce_op="sum").nonzero()[:, 0]
                with torch.no_grad():
                    layer(everywhere)
