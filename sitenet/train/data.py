"""Labelled crystals of one task."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from sitenet.shards.streaming import Store, open_store
from sitenet.tables import read_table

PARTS = ("train", "val", "test")


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
