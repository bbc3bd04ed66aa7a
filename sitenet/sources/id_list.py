"""Lists of `id,value` such as CGCNN's id_prop.csv, with or without a header."""

import codecs
import csv
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from sitenet.progress import log
from sitenet.sources.label_value import UnreadableLabel, label_value
from sitenet.sources.records import SourceError
from sitenet.structure.text import decoded

Row = tuple[str, str, str]
"""Place, id and cell of the value."""


def rows_of_list(path: Path, column: str | None, is_known: Callable[[str], bool]) -> Iterator[Row]:
    """Yield the rows of a list.

    The first row is a header if its first cell is no known id and its others are no numbers. Then
    the value is in the column named `column` or, of two columns, the second. A row with more cells
    than it should have yields all of them as its value, which is then not a number: `1,5`.

    Args:
        path: of the list.
        column: name of the label; None if only the ids are asked for.
        is_known: whether a text is the id of a crystal.

    Raises:
        SourceError: there is no such file, it is not a table, or its header lacks `column`.
    """
    if not path.is_file():
        raise SourceError(f"there is no table of labels {path}")
    rows = csv.reader(_lines(path))
    place, width = 1, 2
    try:
        for index, cells in enumerate(cells for cells in rows if any(map(str.strip, cells))):
            if index == 0 and _is_header(cells, is_known):
                place, width = _place(path, cells, column), len(cells)
                log.info(f"{path}: the first line is read as a header ({', '.join(cells)})")
                continue
            filled = len(cells) if width > 2 else len(_without_empty_end(cells))
            cell = cells[place] if place < len(cells) else ""
            if filled > width:
                cell = ",".join(cells[1:])
            yield f"{path.name}, line {rows.line_num}", cells[0], cell
    except csv.Error as error:
        raise SourceError(f"{path}, line {rows.line_num}: {error}") from None


def _lines(path: Path) -> list[str]:
    """Lines with any kind of end; each may be UTF-8 or Latin-1."""
    content = path.read_bytes()
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return re.split(r"\r\n|\r|\n", decoded(content))
    return [decoded(line) for line in content.splitlines()]


def _is_header(cells: list[str], is_known: Callable[[str], bool]) -> bool:
    if is_known(cells[0]) or len(cells) < 2:
        return False
    for cell in cells[1:]:
        try:
            label_value(cell)
        except UnreadableLabel:
            continue
        return False
    return True


def _place(path: Path, header: list[str], column: str | None) -> int:
    """Index of the column of values."""
    names = [name.strip() for name in header]
    if names.count(column or "") > 1:
        raise SourceError(f"{path} has {names.count(column or '')} columns {column!r}")
    if column in names:
        return names.index(column)
    if column is None or len(names) == 2:
        return 1
    raise SourceError(f"{path} has no column {column!r}; it has {', '.join(names)}")


def _without_empty_end(cells: list[str]) -> list[str]:
    """The cells up to the last that is not empty: spreadsheets pad rows."""
    end = max((k for k, cell in enumerate(cells, start=1) if cell.strip()), default=0)
    return cells[:end]
