"""Labelled crystals of one task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sitenet.shards.featurised import Featurised
from sitenet.shards.normal_scores import normal_scores
from sitenet.shards.open_store import Store, open_store
from sitenet.shards.vectors import read_vectors
from sitenet.tables import read_by_id, read_table


@dataclass(frozen=True)
class Beside:
    """What is learned of the training crystals beside their label.

    `values` (n, K), NaN where a crystal has none, with a mean of about 0 and a spread of about 1;
    `weights` (K,) of their absolute errors in the loss, where that of the label counts 1.
    """

    values: NDArray[np.float32]
    weights: NDArray[np.float32]


@dataclass(frozen=True)
class TaskData:
    """Crystals with a label: crystal k of `store` is crystal k of `crystals`, labelled `target[k]`.

    `target` (n,) is in the label's unit; `beside` is what else is learned.
    """

    store: Store
    crystals: Featurised
    target: NDArray[np.float64]
    beside: Beside | None = None

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


def load_beside(
    crystals: Featurised,
    labels: Mapping[str, Path],
    computed: Sequence[Path] = (),
    computed_weight: float = 0.0,
) -> Beside | None:
    """What is learned beside the label of `crystals`; None where that is nothing.

    Args:
        crystals: those that are not trained on have NaN.
        labels: tables of other labels, by the name of their column; they are taken in standard
            deviations from their mean.
        computed: tables of `sitenet.shards.computed_targets`, taken as normal scores.
        computed_weight: of the mean absolute error of these.
    """
    trained = crystals.parts == "train"
    values, weights = [], []
    for name, path in labels.items():
        table = read_table(path, columns=["id", name]).set_index("id")[name]
        known = table.reindex(crystals.ids).to_numpy(float)
        known[~trained] = np.nan
        spread = np.nanstd(known)
        values.append(((known - np.nanmean(known)) / (spread if spread > 0 else 1))[:, None])
        weights.append([1.0])
    if computed:
        numbers = read_vectors(computed, crystals.ids.tolist())
        numbers[~trained] = np.nan
        values.append(normal_scores(numbers))
        weights.append([computed_weight / numbers.shape[1]] * numbers.shape[1])
    if not values:
        return None
    return Beside(
        np.concatenate(values, axis=1).astype(np.float32),
        np.concatenate(weights).astype(np.float32),
    )
