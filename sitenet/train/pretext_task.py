"""Pretext tasks as a training: crystals without labels, computed numbers, hidden elements."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sitenet.model.pretext import Pretext
from sitenet.options.infomax import PretextSettings
from sitenet.options.training import LoopSettings
from sitenet.shards.batch import RaggedBatch
from sitenet.shards.open_store import Store
from sitenet.train.batches import Packs
from sitenet.train.distributed import Group
from sitenet.train.task import Found, Task

Batch = tuple[Any, ...]


class CrystalBatches(Packs):
    """Iterable of (batch, indices (B,), weight)."""

    store: Store

    def __iter__(self) -> Iterator[tuple[RaggedBatch, Tensor, float]]:
        for crystals, weight in self.packs():
            yield self.store.batch(crystals), crystals, weight


class PretextTask(Task):
    """Trains an encoder to tell computed numbers, and the element that was hidden.

    `targets` (n, T) of all crystals of the store, NaN where there is none. What is hidden follows
    from the crystal's place, seed and epoch: batches and processes do not matter. In the validation
    it stays the same.
    """

    measures = ("computed", "hidden", "total")
    judged = "total"
    model: Pretext
    validation_batches: CrystalBatches

    def __init__(
        self,
        model: Pretext,
        settings: LoopSettings,
        pretext: PretextSettings,
        targets: Tensor,
        train: CrystalBatches,
        validation: CrystalBatches,
    ) -> None:
        super().__init__(model, settings, train, validation)
        self.pretext, self.targets = pretext, targets
        self.draws = {"val": self._draws(0)}

    def start(self, device: torch.device, group: Group) -> None:
        """Move the targets, too."""
        super().start(device, group)
        self.targets = self.targets.to(device)

    def start_epoch(self, epoch: int) -> None:
        """Hide other elements, too."""
        super().start_epoch(epoch)
        self.draws["train"] = self._draws(1 + epoch)

    def _draws(self, epoch: int) -> Tensor:
        """As for `hidden_rows`, of all crystals."""
        random = np.random.default_rng((self.settings.seed, epoch))
        among, whether = random.random((2, len(self.targets)), dtype=np.float32)
        share = self.pretext.hidden_share if self.pretext.hidden else 0
        return torch.from_numpy(np.where(whether < share, among, -1.0))

    def train_step(self, batch: Batch, epoch: int, number: int) -> Found:
        """This process's part of the loss of a batch."""
        return self._losses(batch, "train")

    def validation_step(self, batch: Batch, number: int) -> Found:
        """The same, with what is hidden in every epoch."""
        return self._losses(batch, "val")

    def _losses(self, batch: Batch, part: str) -> Found:
        crystals, indices, weight = batch
        targets = self.targets[indices.to(self.targets.device)]
        computed, hidden = self.model(crystals, targets, self.draws[part][indices])
        hidden = hidden / self.pretext.hidden_share  # its mean is that over crystals with one
        total = self.pretext.computed * computed + self.pretext.hidden * hidden
        counted = len(indices) if weight > 0 else 0
        values = torch.stack([computed, hidden, total]).detach().sum(1)
        return Found(total.mean() * weight, values if counted else values * 0, counted)
