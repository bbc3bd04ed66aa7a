"""Crystals of a table that look the same, and crystals of one structure type."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sitenet.crystal.structure_type import LARGEST, structure_type
from sitenet.sources.neighbours import nearest_distance
from sitenet.sources.structure_table import iter_crystals, read_structures
from sitenet.tables import read_arrow

SAME_VOLUME = 1e-3
"""Largest relative difference of the volumes per atom of equal structures."""

SAME_DISTANCE = 1e-3
"""Largest difference of the mean nearest distances of equal structures, in A."""


def structure_types(structures: Path) -> NDArray[np.object_]:
    """Structure type (n,) of all crystals of a table of structures, in its order."""
    found = [
        structure_type(crystal.lattice, crystal.numbers, crystal.frac)
        for _, crystal in iter_crystals(structures)
    ]
    return np.array(found, dtype=object)


def look_alikes(structures: Path, table: pd.DataFrame) -> list[list[str]]:
    """Groups of crystals of `table` (id, formula) that look the same, in a table of structures.

    They have one formula, one volume per atom and one mean nearest distance. This also finds
    supercells and other settings of one structure. Crystals of more than LARGEST sites are left
    out.
    """
    volumes = _volumes(structures)
    volumes = volumes[volumes.id.isin(table.id)]
    close = list(_close(volumes, "volume_per_atom", SAME_VOLUME))
    wanted = {name for rows in close for name in rows.id}
    if not wanted:
        return []
    columns = ["id", "lattice", "frac", "n_sites"]
    known = read_arrow(structures, columns, filters=[("id", "in", sorted(wanted))])
    distance = {
        row["id"]: nearest_distance(
            np.array(row["lattice"]).reshape(3, 3), np.array(row["frac"]).reshape(-1, 3)
        )
        for row in known.to_pylist()
        if row["n_sites"] <= LARGEST
    }
    return [
        rows.id.tolist()
        for group in close
        for rows in _close(
            group.assign(distance=group.id.map(distance)).dropna(), "distance", 0, SAME_DISTANCE
        )
    ]


def _volumes(structures: Path) -> pd.DataFrame:
    """Columns id, formula and volume_per_atom (A^3) of a table of structures."""
    table = read_structures(structures, ["id", "formula", "lattice", "n_sites"])
    lattices = np.array(table["lattice"].to_pylist(), dtype=np.float64).reshape(-1, 3, 3)
    volume = np.abs(np.linalg.det(lattices)) / table["n_sites"].to_numpy()
    return table.select(["id", "formula"]).to_pandas().assign(volume_per_atom=volume)


def _close(
    table: pd.DataFrame, column: str, relative: float, absolute: float = 0
) -> Iterator[pd.DataFrame]:
    """Groups of at least two rows of one formula, each close to the next in `column`."""
    ordered = table.sort_values(["formula", column, "id"])
    values = ordered[column].to_numpy()
    formulas = ordered.formula.to_numpy()
    new = np.ones(len(ordered), dtype=bool)
    steps = np.diff(values) > relative * values[:-1] + absolute
    new[1:] = steps | (formulas[1:] != formulas[:-1])
    for _, rows in ordered.groupby(np.cumsum(new)):
        if len(rows) > 1:
            yield rows
