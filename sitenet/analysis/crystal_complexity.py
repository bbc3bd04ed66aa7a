"""Complexity and primitive volume of every crystal of a data set, as one table."""

from collections.abc import Iterator
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sitenet.crystal.complexity import Complexity, NoSymmetry, complexity
from sitenet.parallel import ordered_map
from sitenet.progress import Progress, log
from sitenet.tables import read_batches, row_count, write_table

COLUMNS = ["id", *(field.name for field in fields(Complexity))]
CHUNK = 64  # crystals sent to a process at once


def write_complexity(structures: Path, out: Path, rejected: Path, workers: int = 1) -> None:
    """Write the measures of all crystals of `structures` to Parquet `out`, in their order.

    Columns: id and the fields of `sitenet.crystal.complexity.Complexity` (bits, A^3, A).
    Crystals without a space group go to the CSV `rejected`: id, reason.
    """
    total = row_count(structures)
    progress = Progress(total, "complexity", "crystals")
    rows: list[tuple] = []
    failures: list[tuple[str, str]] = []
    for name, result in _measured(structures, workers):
        progress.advance()
        if isinstance(result, Complexity):
            rows.append((name, *astuple(result)))
        else:
            failures.append((name, result))
    progress.finish()
    if failures:
        log.info(f"complexity: {len(failures):,} crystals without, listed in {rejected}")
    write_table(out, pd.DataFrame(rows, columns=COLUMNS))
    write_table(rejected, pd.DataFrame(failures, columns=["id", "reason"]))


def _measured(structures: Path, workers: int) -> Iterator[tuple[str, Complexity | str]]:
    """Id and measures (or why there are none) of each crystal."""
    batches = read_batches(structures, CHUNK, ["id", "lattice", "numbers", "frac"])
    chunks = (batch.to_pylist() for batch in batches)
    for results in ordered_map(_measure_all, chunks, workers):
        yield from results


def _measure_all(rows: list[dict[str, Any]]) -> list[tuple[str, Complexity | str]]:
    return [(row["id"], _measure(row)) for row in rows]


def _measure(row: dict[str, Any]) -> Complexity | str:
    lattice = np.array(row["lattice"], dtype=np.float64).reshape(3, 3)
    frac = np.array(row["frac"], dtype=np.float64).reshape(-1, 3)
    try:
        return complexity(lattice, np.array(row["numbers"], dtype=np.int64), frac)
    except NoSymmetry as error:
        return str(error)
