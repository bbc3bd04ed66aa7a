"""Tables of crystals: printed row by row, and what is told of those that were refused."""

import csv
import sys
from collections.abc import Iterable, Sequence
from io import TextIOWrapper
from typing import Any

from sitenet.api.output import TOLD, Written
from sitenet.cli.checks import REFUSED
from sitenet.progress import log


def print_rows(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """Print rows as CSV as they come; the exit code."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    place = columns.index("problem")
    count = problems = 0
    first: list[tuple[str, str]] = []
    for row in rows:
        writer.writerow(["" if value is None else value for value in row])
        count += 1
        if row[place]:
            problems += 1
            first += [(row[0], row[place])] if len(first) < TOLD else []
    return _told(first, problems, count)


def tell(written: Written) -> int:
    """Say what a file has in it; the exit code."""
    log.info(f"{written.path}: {written.rows:,} rows")
    return _told(written.first, written.problems, written.rows)


def _told(first: Sequence[tuple[str, str]], problems: int, count: int) -> int:
    for crystal, problem in first:
        log.warning(f"{crystal}: {problem}")
    if problems > len(first):
        log.warning(f"and {problems - len(first):,} more, with their reasons in the table")
    if problems:
        log.warning(f"{problems:,} of {count:,} crystals could not be used")
    return REFUSED if problems else 0
