"""Batches of crystals, in the order of an epoch."""

from collections.abc import Iterator
from math import ceil
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from sitenet.shards.batch import RaggedBatch
from sitenet.shards.packing import shared_out
from sitenet.shards.padding import Capacity
from sitenet.shards.passes import (
    Plan,
    Tables,
    pair_limit,
    plan_pass,
    planned_batches,
    planned_groups,
)
from sitenet.train.data import TaskData

ROOM = 1.1  # of a capacity, for epochs with larger batches than the first


class Packs:
    """Which crystals form each batch, in the order of an epoch.

    Batches have nearly equal numbers of merged pairs, which determine the cost of a step, and
    `batch_sites` unique sites on average. With a seed `shuffle`, crystals are packed anew in every
    epoch: epoch e uses (seed, e), so that a resumed run gets the same batches. Several processes
    (`world`) share every batch in parts of nearly equal numbers of pairs: the batches do not
    depend on the number of processes.
    """

    def __init__(
        self, store: Tables, indices: Tensor, batch_sites: int, shuffle: int | None = None
    ) -> None:
        self.store, self.indices, self.shuffle = store, indices, shuffle
        self.work = store.pairs.numpy()[indices.numpy()]
        self.classes = store.classes.numpy()[indices.numpy()]
        self.types = store.types.numpy()[indices.numpy()]
        self.limit = pair_limit(store, indices.numpy(), batch_sites)
        self.epoch = 0
        self.rank, self.world = 0, 1
        self._planned: tuple[int, Plan] = (-1, [])

    def _plan(self) -> Plan:
        """Windows and batches of this epoch."""
        if self._planned[0] != self.epoch:
            self._planned = (self.epoch, self._plan_of(self.epoch))
        return self._planned[1]

    def _plan_of(self, epoch: int) -> Plan:
        seed = None if self.shuffle is None else (self.shuffle, epoch)
        return plan_pass(self.store, self.indices.numpy(), self.limit, seed)

    def _batches(self) -> Iterator[NDArray]:
        """The batches in order, as positions in `indices`, each while its window is in memory."""
        return planned_batches(self.store, self._plan())

    def count(self) -> int:
        """Batches of an epoch."""
        return sum(len(batches) for _, batches in self._plan())

    def __len__(self) -> int:
        return self.count()

    def capacity(self) -> Capacity:
        """Size to which batches are padded: that of the largest of the first epoch, and some room.

        Nearly all batches of later epochs fit. Crystals above the limit, each a batch of its own,
        are disregarded. A resumed run gets the same capacity.
        """
        batches = [batch for _, batches in self._plan_of(0) for batch in batches]
        batches = [batch for batch in batches if self.work[batch].sum() <= self.limit]
        crystals, pairs, types, beyond = (
            ceil(ROOM * max((int(size(batch)) for batch in batches), default=0))
            for size in (
                len,
                lambda b: self.work[b].sum(),
                lambda b: self.types[b].sum(),
                lambda b: self.classes[b].sum() - len(b),
            )
        )
        pairs = min(pairs, self.limit)
        return Capacity(crystals + 1 + beyond, pairs, crystals + 1, min(types, pairs) + 1)

    def to(self, device: torch.device) -> None:
        """Move the crystals to `device`."""
        self.store.to(device)

    def packs(self) -> Iterator[tuple[Tensor, float]]:
        """This process's crystals (B,) of each batch, and the weight of their mean.

        Means over the parts times these weights, averaged over the processes, are the mean over
        the batch. A process without a crystal computes the first one with weight 0, so that all
        take the same number of steps.
        """
        return map(self._share, self._batches())

    def _share(self, batch: NDArray) -> tuple[Tensor, float]:
        """This process's crystals of a batch, and the weight of their mean."""
        if self.world == 1:
            return self.indices[torch.from_numpy(batch)], 1.0
        part = shared_out(batch, self.work[batch], self.world)[self.rank]
        weight = len(part) * self.world / len(batch)
        return self.indices[torch.from_numpy(part if len(part) else batch[:1])], weight

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return self.packs()


class Batches(Packs):
    """Iterable of (batch, targets (B,), indices (B,), weight)."""

    def __init__(
        self, data: TaskData, indices: Tensor, batch_sites: int, shuffle: int | None = None
    ) -> None:
        super().__init__(data.store, indices, batch_sites, shuffle)
        self.data = data
        self.targets = torch.tensor(data.target, dtype=torch.float32)

    def to(self, device: torch.device) -> None:
        """Move crystals and labels to `device`."""
        super().to(device)
        self.targets = self.targets.to(device)

    def __iter__(self) -> Iterator[tuple[RaggedBatch, Tensor, Tensor, float]]:
        device = self.targets.device
        for group in planned_groups(self.store, self._plan(), self.work):
            parts, weights = zip(*map(self._share, group), strict=True)
            targets = self.targets[torch.cat(parts).to(device, non_blocking=True)]
            yield from zip(
                self.data.store.batches(parts),
                targets.split([len(part) for part in parts]),
                parts,
                weights,
                strict=True,
            )
