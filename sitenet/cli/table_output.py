"""Tables of crystals: printed row by row, and what is told of those that were refused."""

import csv
import sys
from argparse import Namespace
from collections.abc import Iterable, Sequence
from io import TextIOWrapper
from typing import Any

from sitenet.api.given import Columns
from sitenet.api.output import TOLD, Written
from sitenet.api.predictor import Predictor
from sitenet.cli.checks import REFUSED, check_output
from sitenet.progress import log


def opened(options: Namespace) -> tuple[Predictor, dict[str, Any]]:
    """The model of `predict` or `embed`, and how it reads crystals, for the methods of Predictor.

    Raises UnusableModel, and OSError if there is no place for the table.
    """
    check_output(options.out, [options.model, *options.crystals])
    reading = {
        "columns": Columns(options.cif_column, options.id_column),
        "seconds": options.seconds,
        "workers": options.workers,
    }
    return Predictor.load(options.model, options.device), reading


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
