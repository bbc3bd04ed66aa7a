"""Tables that a command prints or writes, without pandas, which is slow to import."""

import csv
import sys
from collections.abc import Iterable, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from sitenet.files import atomic_path


def write_csv(out: Path | None, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write rows as CSV to the file `out`, or to standard output if it is None.

    None becomes an empty cell. Names of files that are not UTF-8 have the bytes as \\udc.. in them.
    """
    lines = [list(header), *([_cell(value) for value in row] for row in rows)]
    if out is None:
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")
        csv.writer(sys.stdout, lineterminator="\n").writerows(lines)
        return
    with (
        atomic_path(out) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,
    ):
        csv.writer(file, lineterminator="\n").writerows(lines)


def _cell(value: Any) -> str:
    return "" if value is None else str(value)
