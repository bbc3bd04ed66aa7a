"""Table of the complexity measures of all crystals of a data set."""

from dataclasses import astuple, fields
from pathlib import Path

import pandas as pd

from sitenet.crystal.complexity import Complexity, NoSymmetry, complexity
from sitenet.guard import Failure, check_accounts, guarded_map
from sitenet.options.limits import LIMITS, LimitSettings
from sitenet.progress import Progress, log
from sitenet.sources.structure_table import iter_crystals
from sitenet.structure.cif import Crystal
from sitenet.tables import row_count, write_table

COLUMNS = ["id", *(field.name for field in fields(Complexity))]
CHUNK = 64  # crystals sent to a worker process at a time


def write_complexity(
    structures: Path,
    out: Path,
    rejected: Path,
    workers: int = 1,
    limits: LimitSettings = LIMITS,
) -> None:
    """Write the complexity measures of all crystals of a table of structures, in its order.

    Args:
        structures: table of structures.
        out: Parquet file to write: id and the fields of `sitenet.crystal.complexity.Complexity`.
        rejected: CSV file to write: id and reason of crystals without a space group.
        workers: number of processes.
        limits: of a crystal.
    """
    total = row_count(structures)
    progress = Progress(total, "complexity", "crystals")
    rows: list[tuple] = []
    failures: list[tuple[str, str]] = []
    outcomes = guarded_map(_measure, iter_crystals(structures), workers, limits.seconds,
                           limits.memory_gib, NoSymmetry, CHUNK)  # fmt: skip
    for name, result in progress.counting(outcomes):
        if isinstance(result, Failure):
            failures.append((name, result.reason))
        else:
            rows.append((name, *astuple(result)))
    progress.finish()
    check_accounts("complexity", total, len(rows), len(failures))
    if failures:
        log.info(f"complexity: {len(failures):,} crystals failed, listed in {rejected}")
    write_table(out, pd.DataFrame(rows, columns=COLUMNS))
    write_table(rejected, pd.DataFrame(failures, columns=["id", "reason"]))


def _measure(crystal: Crystal) -> Complexity:
    return complexity(crystal.lattice, crystal.numbers, crystal.frac)
