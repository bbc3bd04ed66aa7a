"""Some crystals of a table of structures, chosen by a seed."""

from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from sitenet.sources.cif import Crystal

CHUNK = 8  # crystals sent to a process at once

Named = list[tuple[str, Crystal]]


def choose(structures: Path, count: int, seed: int, ids: Collection[str] | None = None) -> set[str]:
    """At most `count` ids of the table; only of `ids`, if given. ValueError if there are none."""
    known = pq.read_table(structures, columns=["id"])["id"].to_pylist()
    wanted = known if ids is None else sorted(set(known) & set(ids))
    if not wanted:
        raise ValueError(f"{structures} has none of the crystals asked for")
    return set(np.random.default_rng(seed).permutation(wanted)[:count].tolist())


def chunks(structures: Path, ids: Collection[str]) -> Iterator[Named]:
    """The crystals with these ids, in the table's order, some at a time."""
    crystals = _crystals(structures, ids)
    while chunk := list(islice(crystals, CHUNK)):
        yield chunk


def _crystals(structures: Path, ids: Collection[str]) -> Iterator[tuple[str, Crystal]]:
    columns = ["id", "lattice", "numbers", "frac", "oxidation_given"]
    for batch in pq.ParquetFile(structures).iter_batches(1000, columns=columns):
        for row in batch.to_pylist():
            if row["id"] in ids:
                yield (
                    row["id"],
                    Crystal(
                        lattice=np.array(row["lattice"], dtype=np.float64).reshape(3, 3),
                        numbers=np.array(row["numbers"], dtype=np.int64),
                        frac=np.array(row["frac"], dtype=np.float64).reshape(-1, 3),
                        oxidation=np.array(row["oxidation_given"], dtype=np.float64),
                    ),
                )
