"""Crystals of a table that look the same."""

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sitenet.crystal.structure_type import LARGEST
from sitenet.sources.neighbours import nearest_distance
from sitenet.sources.structure_table import read_structures
from sitenet.tables import read_arrow

Int = NDArray[np.int64]
Float = NDArray[np.float64]

SAME_VOLUME = 1e-3
"""Largest relative difference of the volumes per atom of equal structures."""

SAME_DISTANCE = 1e-3
"""Largest difference of the mean nearest distances of equal structures, in A."""


def look_alikes(structures: Path, ids: Collection[str]) -> list[list[str]]:
    """Groups of those crystals of a table of structures that look the same.

    They have one formula, one volume per atom and one mean nearest distance. This also finds
    supercells and other settings of one structure. Crystals of more than LARGEST sites are left
    out.
    """
    table = read_structures(structures, ["id", "formula", "lattice", "n_sites"]).to_pandas()
    table = table[table.id.isin(ids) & (table.n_sites <= LARGEST)].reset_index(drop=True)
    lattices = np.array(table.lattice.tolist(), dtype=np.float64).reshape(-1, 3, 3)
    volume = np.abs(np.linalg.det(lattices)) / table.n_sites.to_numpy()
    formula = pd.factorize(table.formula)[0]
    close = _close(np.arange(len(table)), formula, volume, SAME_VOLUME * volume)
    candidates = np.array([k for group in close for k in group], dtype=np.int64)
    distance = np.full(len(table), np.nan)
    distance[candidates] = _nearest(structures, table.id[candidates].tolist())
    groups = [
        same
        for group in close
        for same in _close(
            group, formula[group], distance[group], np.full(len(group), SAME_DISTANCE)
        )
    ]
    return [table.id[group].tolist() for group in groups]


def _nearest(structures: Path, ids: list[str]) -> list[float]:
    """Mean nearest distance in A of some crystals of a table of structures."""
    if not ids:
        return []
    columns = ["id", "lattice", "frac"]
    found = {
        row["id"]: nearest_distance(
            np.array(row["lattice"]).reshape(3, 3), np.array(row["frac"]).reshape(-1, 3)
        )
        for row in read_arrow(structures, columns, filters=[("id", "in", ids)]).to_pylist()
    }
    return [found[name] for name in ids]


def _close(rows: Int, formula: Int, values: Float, step: Float) -> list[Int]:
    """Groups of at least two `rows` of one formula, each within `step` of the next in `values`.

    All are (n,); the groups have elements of `rows`.
    """
    order = np.lexsort([values, formula])
    far = np.diff(values[order]) > step[order][:-1]
    far |= np.diff(formula[order]) != 0
    return [group for group in np.split(rows[order], np.flatnonzero(far) + 1) if len(group) > 1]
