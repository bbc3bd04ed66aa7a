"""Labelled crystals, from tables of structures and labels."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sitenet.crystal.featurise import MergedCrystal, featurise
from sitenet.guard import Failure, guarded_map
from sitenet.options.features import FeatureSettings
from sitenet.options.limits import LIMITS, LimitSettings
from sitenet.progress import Progress
from sitenet.sources.records import Rejection
from sitenet.sources.structure_table import iter_crystals
from sitenet.structure.cif import Crystal
from sitenet.structure.rejection import RejectedCrystal
from sitenet.tables import read_arrow

Float = NDArray[np.float64]


class Label(NamedTuple):
    """What is predicted."""

    column: str
    unit: str


class Labelled(NamedTuple):
    """Crystals (n) with their ids and labels (n,)."""

    ids: list[str]
    crystals: list[MergedCrystal]
    label: Float


def read_labelled(
    structures: Path,
    labels: Path,
    task: str,
    features: FeatureSettings,
    workers: int = 1,
    limits: LimitSettings = LIMITS,
) -> tuple[Labelled, list[Rejection]]:
    """Featurise the crystals that have a label.

    Args:
        structures, labels: tables of structures, and of the labels of the task.
        task: column of the labels.
        features: how crystals are featurised.
        workers: processes.
        limits: of a crystal.
    """
    table = read_arrow(labels, ["id", task])
    known = {name: value for name, value in zip(table["id"].to_pylist(), table[task].to_pylist(),
                                                strict=True) if value is not None}  # fmt: skip
    progress = Progress(len(known), "featurising", "crystals")

    def wanted() -> Iterator[tuple[str, Crystal]]:
        return ((name, crystal) for name, crystal in iter_crystals(structures) if name in known)

    work = partial(featurise, settings=features)
    found = guarded_map(work, wanted(), workers, limits.seconds, limits.memory_gib, RejectedCrystal)
    ids, crystals, refused = [], [], []
    for name, one in progress.counting(found):
        if isinstance(one, Failure):
            refused.append(Rejection(name, one.reason))
        else:
            ids.append(name)
            crystals.append(one)
    progress.finish()
    return Labelled(ids, crystals, np.array([known[name] for name in ids])), refused
