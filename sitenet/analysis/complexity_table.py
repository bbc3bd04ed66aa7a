"""Complexity and primitive volume of every crystal of a data set, as one table."""

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from sitenet.crystal.complexity import Complexity, NoSymmetry, complexity
from sitenet.files import atomic_path
from sitenet.progress import Progress, log

COLUMNS = ["id", *(field.name for field in fields(Complexity))]
GROUP = 2000  # crystals in memory at once
CHUNK = 32  # crystals sent to a process at once

Row = dict[str, Any]


def write(structures: Path, out: Path, rejected: Path, workers: int = 1) -> None:
    """Write the measures of all crystals of `structures` to Parquet `out`, in their order.

    Columns: id and the fields of `sitenet.crystal.complexity.Complexity` (bits, A^3, A).
    Crystals without a space group go to the CSV `rejected`: id, reason.
    """
    total = pq.ParquetFile(structures).metadata.num_rows
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
    with atomic_path(out) as temporary:
        pd.DataFrame(rows, columns=COLUMNS).to_parquet(temporary, index=False)
    with atomic_path(rejected) as temporary:
        pd.DataFrame(failures, columns=["id", "reason"]).to_csv(temporary, index=False)


def _measured(structures: Path, workers: int) -> Iterator[tuple[str, Complexity | str]]:
    """Id and measures (or why there are none) of each crystal."""
    batches = pq.ParquetFile(structures).iter_batches(
        GROUP, columns=["id", "lattice", "numbers", "frac"]
    )
    if workers <= 1:
        for batch in batches:
            yield from map(_measure, batch.to_pylist())
        return
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        for batch in batches:
            yield from pool.map(_measure, batch.to_pylist(), chunksize=CHUNK)


def _measure(row: Row) -> tuple[str, Complexity | str]:
    lattice = np.array(row["lattice"], dtype=np.float64).reshape(3, 3)
    frac = np.array(row["frac"], dtype=np.float64).reshape(-1, 3)
    try:
        return row["id"], complexity(lattice, np.array(row["numbers"], dtype=np.int64), frac)
    except NoSymmetry as error:
        return row["id"], str(error)
