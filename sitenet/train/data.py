"""Labelled crystals of one task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sitenet.shards.featurised import Featurised
from sitenet.shards.open_store import Store, open_store
from sitenet.tables import read_by_id, read_table


@dataclass(frozen=True)
class TaskData:
    """Crystals with a label: crystal k of `store` is crystal k of `crystals`, labelled `target[k]`.

    `target` (n,) is in the label's unit. `auxiliary` (n, K) are other labels, each in standard
    deviations from its mean over the training crystals, NaN where a crystal has none.
    """

    store: Store
    crystals: Featurised
    target: NDArray[np.float64]
    auxiliary: NDArray[np.float32] | None = None

    def indices(self, part: str, n_atoms: int | None = None) -> Tensor:
        """Indices of a part; with `n_atoms`, only crystals whose primitive cell fits into it."""
        return torch.from_numpy(self.crystals.indices(part, n_atoms))


def load_labelled(
    crystals: Featurised,
    shards: Sequence[Path],
    structures: Path,
    column: str,
    memory_gib: float,
) -> TaskData:
    """Join `crystals`, their merged pairs in `shards` and labels: `column` of `structures`.

    Crystals that take more than `memory_gib` are not kept in memory but read again and again.
    Raises ValueError where a crystal has no row of labels.
    """
    ids = crystals.ids.tolist()
    store = open_store(shards, set(ids), round(memory_gib * 2**30))
    return TaskData(store, crystals, read_by_id(structures, ids, [column])[column])


def load_auxiliary(crystals: Featurised, tables: Mapping[str, Path]) -> NDArray[np.float32] | None:
    """Labels (n, K) of `crystals` as `TaskData.auxiliary`, of tables by the name of their column.

    None without tables. Labels of crystals that are not trained on are NaN.
    """
    if not tables:
        return None
    columns = []
    for name, path in tables.items():
        table = read_table(path, columns=["id", name]).set_index("id")[name]
        known = table.reindex(crystals.ids).to_numpy(float)
        known[crystals.parts != "train"] = np.nan
        spread = np.nanstd(known)
        columns.append((known - np.nanmean(known)) / (spread if spread > 0 else 1))
    return np.column_stack(columns).astype(np.float32)
