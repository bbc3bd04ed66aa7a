"""Source `cif_folder`: a folder of *.cif files and a table of labels."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from sitenet.options.datasets import CifFolderSource
from sitenet.sources.records import Label, RawRecord, Rejection, SourceError
from sitenet.sources.table import as_number, as_text, column_names, read_rows

HEADERLESS = "id_prop.csv"

Row = tuple[dict[str, float | None], dict[str, str]]
"""Labels and extra columns of one id."""


def records(source: CifFolderSource, columns: Sequence[str]) -> Iterator[RawRecord | Rejection]:
    """Yield the files sorted by name, then rejections of labels without a file.

    Args:
        source: its options.
        columns: of the labels; `id_prop.csv` has a single one, which may have any name.

    Raises:
        SourceError: the folder, the table or a column does not exist.
    """
    folder = Path(source.path)
    files = cif_files(folder)
    table = table_of_labels(source)
    rows: dict[str, Row] = {}
    for where, name, row in _rows(source, columns):
        if name in rows:
            yield Rejection(name, "a second row of labels", where)
        else:
            rows[name] = row
    for name, path in files.items():
        if name in rows:
            yield RawRecord(name, path.read_bytes(), *rows.pop(name), path.name)
        else:
            yield Rejection(name, f"no row in {table.name}", path.name)
    for name in rows:
        yield Rejection(name, f"listed in {table.name}, but there is no such CIF file", table.name)


def labels(source: CifFolderSource, column: str) -> Iterator[Label]:
    """Yield id, value, extra columns and place of every row of the table of labels.

    Raises SourceError as `records` does.
    """
    for where, name, (values, extra) in _rows(source, [column]):
        yield name, values[column], extra, where


def table_of_labels(source: CifFolderSource) -> Path:
    """The file with the labels."""
    return Path(source.labels or Path(source.path, HEADERLESS))


def count(source: CifFolderSource) -> int:
    """Number of CIF files."""
    return len(cif_files(Path(source.path)))


def cif_files(folder: Path) -> dict[str, Path]:
    """The CIF files of a folder by id, sorted. Raises SourceError if there are none."""
    if not folder.is_dir():
        raise SourceError(f"there is no folder {folder}")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".cif")
    files = {path.stem: path for path in paths if path.is_file()}
    if not files:
        raise SourceError(f"{folder} holds no .cif files")
    return files


def _rows(source: CifFolderSource, columns: Sequence[str]) -> Iterator[tuple[str, str, Row]]:
    """Place, id and row of all that the table lists."""
    table = table_of_labels(source)
    if table.name == HEADERLESS:
        return _headerless(table, columns)
    return _labelled(table, source, columns)


def _headerless(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, str, Row]]:
    if not path.is_file():
        raise SourceError(f"there is no table of labels {path}")
    if len(columns) > 1:
        raise SourceError(
            f"{path} has one value per crystal, but the tasks ask for {', '.join(columns)}: "
            "give a table with a header as `labels`"
        )
    with path.open(newline="", encoding="utf-8-sig", errors="backslashreplace") as file:
        for number, cells in enumerate(csv.reader(file), start=1):
            if cells:
                value = as_number(cells[1]) if len(cells) > 1 else None
                row: Row = (dict.fromkeys(columns, value), {})
                yield f"{path.name}, line {number}", _stem(cells[0]), row


def _labelled(
    path: Path, source: CifFolderSource, columns: Sequence[str]
) -> Iterator[tuple[str, str, Row]]:
    names = column_names(path)
    key = source.id or names[0]
    wanted = list(dict.fromkeys([key, *columns, *source.extra]))
    if missing := [name for name in wanted if name not in names]:
        raise SourceError(f"{path} has no column {missing[0]!r}; it has {', '.join(names)}")
    for number, row in enumerate(read_rows(path, wanted), start=1):
        labels = {column: as_number(row[column]) for column in columns}
        further = {column: as_text(row[column]) for column in source.extra}
        yield f"{path.name}, row {number}", _stem(as_text(row[key])), (labels, further)


def _stem(name: str) -> str:
    return name.strip().removesuffix(".cif")
