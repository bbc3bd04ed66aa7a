"""Table of the complexity measures of all crystals of a data set."""

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
CHUNK = 64  # crystals sent to a worker process at a time


def write_complexity(structures: Path, out: Path, rejected: Path, workers: int = 1) -> None:
    """Write the complexity measures of all crystals of a table of structures, in its order.

    Args:
        structures: table of structures.
        out: Parquet file to write: id and the fields of `sitenet.crystal.complexity.Complexity`.
        rejected: CSV file to write: id and reason of crystals without a space group.
        workers: number of processes.
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
        log.info(f"complexity: {len(failures):,} crystals failed, listed in {rejected}")
    write_table(out, pd.DataFrame(rows, columns=COLUMNS))
    write_table(rejected, pd.DataFrame(failures, columns=["id", "reason"]))


def _measured(structures: Path, workers: int) -> Iterator[tuple[str, Complexity | str]]:
    """Id of each crystal with its measures, or the reason why there are none."""
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
