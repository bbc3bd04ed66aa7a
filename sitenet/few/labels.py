"""Labelled crystals, from tables of structures and labels."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from sitenet.crystal.featurise import MergedCrystal
from sitenet.guard import Failure
from sitenet.options.limits import LIMITS, LimitSettings
from sitenet.progress import Progress
from sitenet.shards.guarded import Kinds, featurised
from sitenet.sources.records import Rejection
from sitenet.sources.structure_table import iter_crystals
from sitenet.tables import read_arrow

Float = NDArray[np.float64]
Result = TypeVar("Result")


class Label(NamedTuple):
    """What is predicted."""

    column: str
    unit: str


class Labelled(NamedTuple):
    """Crystals (n), each featurised in every kind, with their ids and labels (n,)."""

    ids: list[str]
    crystals: list[tuple[MergedCrystal, ...]]
    label: Float

    def taken(self, rows: Sequence[int]) -> "Labelled":
        """Some of the crystals."""
        return Labelled(
            [self.ids[k] for k in rows], [self.crystals[k] for k in rows], self.label[list(rows)]
        )


def read_labelled(
    structures: Path,
    labels: Path,
    task: str,
    kinds: Kinds,
    workers: int = 1,
    limits: LimitSettings = LIMITS,
) -> tuple[Labelled, list[Rejection]]:
    """Featurise the crystals that have a label.

    Args:
        structures, labels: tables of structures, and of the labels of the task.
        task: column of the labels.
        kinds: how crystals are featurised.
        workers: processes.
        limits: of a crystal.
    """
    table = read_arrow(labels, ["id", task])
    known = {name: value for name, value in zip(table["id"].to_pylist(), table[task].to_pylist(),
                                                strict=True) if value is not None}  # fmt: skip
    progress = Progress(len(known), "featurising", "crystals")
    wanted = ((name, one) for name, one in iter_crystals(structures) if name in known)
    found = featurised(wanted, kinds, workers, limits)
    ids, crystals, refused = told_apart(progress.counting(found))
    progress.finish()
    return Labelled(ids, crystals, np.array([known[name] for name in ids])), refused


def told_apart(
    found: Iterable[tuple[str, Result | Failure]],
) -> tuple[list[str], list[Result], list[Rejection]]:
    """Ids and results of the crystals that could be worked on, and the others with the reason."""
    ids, results, refused = [], [], []
    for name, one in found:
        if isinstance(one, Failure):
            refused.append(Rejection(name, one.reason))
        else:
            ids.append(name)
            results.append(one)
    return ids, results, refused
