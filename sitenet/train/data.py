"""Labelled crystals of one task, and their batches."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from sitenet.shards.batch import RaggedBatch
from sitenet.shards.open_store import Store, open_store
from sitenet.shards.packing import pack, shared_out
from sitenet.shards.padding import Capacity
from sitenet.shards.store import Window
from sitenet.tables import read_table

PARTS = ("train", "val", "test")
ROOM = 1.1  # of what is padded to, for epochs with larger batches than the first


@dataclass(frozen=True)
class TaskData:
    """Crystals with a label: `table` has columns id, split, target, formula, n_sites, n_atoms.

    Row k of `table` is crystal k of `store`.
    """

    store: Store
    table: pd.DataFrame

    def indices(self, part: str, n_atoms: int | None = None) -> Tensor:
        """Indices of a part; with `n_atoms`, only crystals whose primitive cell fits into it."""
        chosen = self.table.split == part
        if n_atoms is not None:
            chosen &= self.table.n_sites <= n_atoms
        return torch.from_numpy(chosen.to_numpy().nonzero()[0])


def load_task(
    structures: Path, shards: Sequence[Path], split: Path, column: str, memory_gib: float
) -> TaskData:
    """Join shards, split (id, split) and labels (`column` of structures.parquet) by id.

    Crystals that take more than `memory_gib` are not kept in memory but read again and again.
    Raises ValueError where nothing is left of a part of the split.
    """
    parts = pd.read_csv(split, dtype=str, keep_default_na=False)
    store = open_store(shards, set(parts.id), round(memory_gib * 2**30))
    labels = read_table(structures, columns=["id", "formula", column])
    labels = labels.rename(columns={column: "target"}).merge(parts, on="id", validate="1:1")
    table = pd.DataFrame(
        {"id": store.ids, "n_sites": store.sites.numpy(), "n_atoms": store.atoms.numpy()}
    ).merge(labels, on="id", how="left", validate="1:1")
    empty = [part for part in PARTS if not (table.split == part).any()]
    if empty:
        raise ValueError(f"{split}: no featurised crystal in {', '.join(empty)}")
    return TaskData(store, table)


class Packs:
    """Which crystals make each batch, in the order of an epoch.

    Batches have nearly equal numbers of merged pairs, which is what a step costs, and
    `batch_sites` unique sites in the mean. With `shuffle` a seed, crystals are packed anew in
    every epoch: epoch e uses (seed, e), so a resumed run sees the same batches. Several processes
    (`world`) share every batch in parts of nearly equal numbers of pairs: the batches do not
    depend on how many there are.
    """

    def __init__(
        self, store: Store, indices: Tensor, batch_sites: int, shuffle: int | None = None
    ) -> None:
        self.store, self.indices, self.shuffle = store, indices, shuffle
        self.work = store.pairs.numpy()[indices.numpy()]
        self.classes = store.classes.numpy()[indices.numpy()]
        self.types = store.types.numpy()[indices.numpy()]
        sites = int(store.sites[indices].sum())
        self.limit = max(1, round(batch_sites * int(self.work.sum()) / max(1, sites)))
        self.epoch = 0
        self.rank, self.world = 0, 1
        self._planned: tuple[int, list[tuple[Window, list[NDArray]]]] = (-1, [])

    def _plan(self) -> list[tuple[Window, list[NDArray]]]:
        """What is in memory together, and the batches of it as positions in `indices`."""
        if self._planned[0] != self.epoch:
            self._planned = (self.epoch, list(self._packed(self.epoch)))
        return self._planned[1]

    def _packed(self, epoch: int) -> Iterator[tuple[Window, list[NDArray]]]:
        seed = None if self.shuffle is None else (self.shuffle, epoch)
        for number, window in enumerate(self.store.windows(self.indices.numpy(), seed)):
            packed = pack(self.work[window.members], self.limit, seed and (*seed, number))
            yield window, [window.members[batch] for batch in packed]

    def _batches(self) -> Iterator[NDArray]:
        """The batches in order, as positions in `indices`, each while its window is in memory."""
        plan = self._plan()
        for number, (window, batches) in enumerate(plan):
            upcoming = plan[number + 1][0].groups if number + 1 < len(plan) else ()
            self.store.hold(window.groups, upcoming)
            yield from batches

    def count(self) -> int:
        """Batches of an epoch."""
        return sum(len(batches) for _, batches in self._plan())

    def __len__(self) -> int:
        return self.count()

    def capacity(self) -> Capacity:
        """Room for a padded batch of nearly every epoch: the first one's largest, and some more.

        Crystals above the limit are no measure: theirs are batches of their own. A resumed run
        finds the same.
        """
        batches = [batch for _, batches in self._packed(0) for batch in batches]
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

        Means over the parts, times these weights, average over the processes to the mean over the
        batch. A process left without a crystal computes the first one with weight 0, so that all
        take the same steps.
        """
        for batch in self._batches():
            if self.world == 1:
                yield self.indices[torch.from_numpy(batch)], 1.0
                continue
            part = shared_out(batch, self.work[batch], self.world)[self.rank]
            weight = len(part) * self.world / len(batch)
            yield self.indices[torch.from_numpy(part if len(part) else batch[:1])], weight


class Batches(Packs):
    """Iterable of (batch, targets (B,), indices (B,), weight): what the trainer loops over."""

    def __init__(
        self, data: TaskData, indices: Tensor, limit: int, shuffle: int | None = None
    ) -> None:
        super().__init__(data.store, indices, limit, shuffle)
        self.data = data
        self.targets = torch.tensor(data.table.target.to_numpy(), dtype=torch.float32)

    def to(self, device: torch.device) -> None:
        """Move crystals and labels to `device`."""
        super().to(device)
        self.targets = self.targets.to(device)

    def __iter__(self) -> Iterator[tuple[RaggedBatch, Tensor, Tensor, float]]:
        for crystals, weight in self.packs():
            targets = self.targets[crystals.to(self.targets.device, non_blocking=True)]
            yield self.data.store.batch(crystals), targets, crystals, weight
