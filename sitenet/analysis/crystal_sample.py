"""Random samples of the crystals of a table of structures."""

from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np

from sitenet.sources.structure_table import iter_crystals
from sitenet.structure.cif import Crystal
from sitenet.tables import read_ids


def choose_ids(
    structures: Path, count: int, seed: int, ids: Collection[str] | None = None
) -> set[str]:
    """At most `count` ids of the table, among `ids` if given. Raises ValueError without any."""
    known = read_ids(structures)
    wanted = known if ids is None else sorted(set(known) & set(ids))
    if not wanted:
        raise ValueError(f"{structures} has none of the requested crystals")
    return set(np.random.default_rng(seed).permutation(wanted)[:count].tolist())


def chosen_crystals(structures: Path, ids: Collection[str]) -> Iterator[tuple[str, Crystal]]:
    """The crystals with the given ids, in the order of the table."""
    return ((name, c) for name, c in iter_crystals(structures) if name in ids)
