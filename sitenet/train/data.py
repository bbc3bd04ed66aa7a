"""Labelled crystals of one task, and their batches."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from sitenet.shards.batch import RaggedBatch
from sitenet.shards.packing import pack
from sitenet.shards.store import CrystalStore

PARTS = ("train", "val", "test")


@dataclass(frozen=True)
class TaskData:
    """Crystals with a label: `table` has columns id, split, target, formula, n_sites, n_atoms.

    Row k of `table` is crystal k of `store`.
    """

    store: CrystalStore
    table: pd.DataFrame

    def indices(self, part: str, n_atoms: int | None = None) -> Tensor:
        """Indices of a part; with `n_atoms`, only crystals whose primitive cell fits into it."""
        chosen = self.table.split == part
        if n_atoms is not None:
            chosen &= self.table.n_sites <= n_atoms
        return torch.from_numpy(chosen.to_numpy().nonzero()[0])


def load_task(structures: Path, shards: Sequence[Path], split: Path, column: str) -> TaskData:
    """Join shards, split (id, split) and labels (`column` of structures.parquet) by id.

    Raises ValueError where nothing is left of a part of the split.
    """
    parts = pd.read_csv(split, dtype=str, keep_default_na=False)
    store = CrystalStore.from_shards(shards, keep=set(parts.id))
    labels = pd.read_parquet(structures, columns=["id", "formula", column])
    labels = labels.rename(columns={column: "target"}).merge(parts, on="id", validate="1:1")
    table = pd.DataFrame(
        {"id": store.ids, "n_sites": store.sites.numpy(), "n_atoms": store.atoms.numpy()}
    ).merge(labels, on="id", how="left", validate="1:1")
    empty = [part for part in PARTS if not (table.split == part).any()]
    if empty:
        raise ValueError(f"{split}: no featurised crystal in {', '.join(empty)}")
    return TaskData(store, table)


class Packs:
    """Indices (B,) of the crystals of each batch, in the order of an epoch.

    With `shuffle` a seed, crystals are packed anew in every epoch: epoch e uses (seed, e), so a
    resumed run sees the same batches. Several processes share the batches of an epoch evenly.
    """

    def __init__(
        self, sites: Tensor, indices: Tensor, limit: int, shuffle: int | None = None
    ) -> None:
        self.indices, self.limit, self.shuffle = indices, limit, shuffle
        self.sizes = sites.numpy()[indices.numpy()]
        self.epoch = 0
        self.rank, self.world = 0, 1
        self._packed: tuple[int, list] = (-1, [])

    def _batches(self) -> list:
        if self._packed[0] != self.epoch:
            seed = None if self.shuffle is None else (self.shuffle, self.epoch)
            packed = pack(self.sizes, self.limit, seed)
            even = -(-len(packed) // self.world) * self.world
            packed += packed[: even - len(packed)]
            self._packed = (self.epoch, packed[self.rank :: self.world])
        return self._packed[1]

    def __len__(self) -> int:
        return len(self._batches())

    def packs(self) -> Iterator[Tensor]:
        """The batches of this epoch and process."""
        for chosen in self._batches():
            yield self.indices[torch.from_numpy(chosen)]


class Batches(Packs):
    """Iterable of (batch, targets (B,), indices (B,)): what the trainer loops over."""

    def __init__(
        self, data: TaskData, indices: Tensor, limit: int, shuffle: int | None = None
    ) -> None:
        super().__init__(data.store.sites.cpu(), indices, limit, shuffle)
        self.data = data
        self.targets = torch.tensor(data.table.target.to_numpy(), dtype=torch.float32)

    def __iter__(self) -> Iterator[tuple[RaggedBatch, Tensor, Tensor]]:
        for crystals in self.packs():
            yield self.data.store.batch(crystals), self.targets[crystals], crystals
