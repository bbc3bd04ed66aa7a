"""Which columns of a table are the ids and the label, where nobody said so."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sitenet.options.datasets import CifFolderSource, TableSource
from sitenet.progress import log
from sitenet.sources.cif_folder import HEADERLESS, cif_files, cif_id, listed_id
from sitenet.sources.label_value import UnreadableLabel, label_value
from sitenet.sources.records import SourceError
from sitenet.sources.table import as_text, column_names, name_of_id, rows_of_table

ROW_NUMBERS = re.compile(r"|Unnamed: \d+|__index_level_\d+__")
"""Names of a column that pandas writes unless it is told not to."""


def column_of_ids(labels: Path, cifs: Path) -> str | None:
    """The column that names most files of a folder of CIFs; None: the first or only one.

    Raises SourceError if the table or the folder cannot be read, or none of several columns does.
    """
    if labels.name == HEADERLESS:
        return None
    names = column_names(labels)
    files = {cif_id(path) for path in cif_files(cifs)}
    found = dict.fromkeys(_once(names), 0)
    first: dict[str, Any] = {}
    for row in _rows(labels, list(found)):
        first = first or row
        for name in found:
            found[name] += listed_id(as_text(row[name])) in files
    best = max(found, key=found.__getitem__, default="")  # of several, the first one
    if not first or len(found) == 1 or (found[best] and best == names[0]):
        return None
    if not found[best]:
        cells = ", ".join(as_text(first[name])[:30] for name in found)
        raise SourceError(
            f"no column of {labels} names a CIF file of {cifs}: its first row is {cells}, "
            f"the first file {min(files)}.cif"
        )
    log.info(f"{labels}: the column {best!r} names the CIF files")
    return best


def column_of_label(source: CifFolderSource | TableSource, labels: Path) -> str:
    """The only column that is left, or the only one of these with numbers. Raises SourceError."""
    if labels.name == HEADERLESS and isinstance(source, CifFolderSource):
        return "label"
    names = column_names(labels)
    if isinstance(source, TableSource):
        taken = [name_of_id(source, names), source.cif]
    else:
        taken = [source.id or next(iter(names), "")]
    others = [name for name in names if name not in taken]
    others = [name for name in others if not ROW_NUMBERS.fullmatch(name)] or others
    if len(others) > 1 and len(numbers := _of_numbers(labels, others)) == 1:
        log.info(f"{labels}: the label is {numbers[0]!r}, the only column of numbers")
        others = numbers
    if len(others) == 1:
        return others[0]
    if others:
        raise SourceError(
            f"{labels} has the columns {', '.join(names)}: say with --label which one is the label"
        )
    told = f"only the column {names[0]}" if names else "no columns"
    hint = next((f"; is it separated by {mark!r}? It must be by commas" for mark in ";\t|"
                 if names and mark in names[0]), "")  # fmt: skip
    raise SourceError(f"{labels} has {told}, and none with labels{hint}")


def _of_numbers(labels: Path, names: list[str]) -> list[str]:
    """Columns with more numbers than other cells; empty cells do not count."""
    balance = dict.fromkeys(_once(names), 0)
    for row in _rows(labels, list(balance)):
        for name in balance:
            balance[name] += _counted(row[name])
    return [name for name, more in balance.items() if more > 0]


def _counted(cell: Any) -> int:
    try:
        return int(label_value(cell) is not None)
    except UnreadableLabel:
        return -1


def _once(names: list[str]) -> list[str]:
    """Columns whose name no other one has."""
    return [name for name in names if names.count(name) == 1]


def _rows(labels: Path, names: list[str]) -> Iterator[dict[str, Any]]:
    """Rows of these columns; malformed ones are told of where the labels are read."""
    return rows_of_table(labels, names, []) if names else iter(())
