"""Source `table`: a Parquet or CSV file with one CIF per row."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from sitenet.options.datasets import IdList, TableSource
from sitenet.sources.records import Label, RawRecord, Rejection, SourceError
from sitenet.structure.text import decoded

BATCH = 500
"""Rows converted to Python objects at a time."""

LARGEST_ROW = 2**24
"""Bytes of CSV read at a time, and largest length of a row."""


def records(source: TableSource, columns: Sequence[str]) -> Iterator[RawRecord | Rejection]:
    """Yield the rows in file order, then rejections of malformed rows and missing ids.

    Args:
        source: its options.
        columns: of the labels.

    Raises:
        SourceError: the file or a column does not exist.
    """
    path = Path(source.path)
    selected = _selected(source.ids)
    joined = next(iter(selected.values()), {}) if selected is not None else {}
    extra = [name for name in source.extra if name not in joined]
    names = column_names(path)
    key = name_of_id(source, names)
    wanted = list(dict.fromkeys([key, source.cif, *columns, *extra]))
    check_columns(path, names, wanted)
    broken: list[Rejection] = []
    absent = dict.fromkeys(selected or ())
    for number, row in enumerate(rows_of_table(path, wanted, broken), start=1):
        name = as_text(row[key])
        if selected is None or name in selected:
            absent.pop(name, None)
            yield RawRecord(
                id=name,
                cif=row[source.cif] or "",
                labels={},
                extra={column: as_text(row[column]) for column in extra}
                | (selected[name] if selected is not None else {}),
                where=f"{path.name}, row {number}",
            )
    yield from broken
    for name in absent:
        listing = source.ids.path if source.ids else ""
        yield Rejection(name, f"listed in {listing}, not in the table", path.name)


def count(source: TableSource) -> int:
    """Number of records; 0 if it is not known without reading the table."""
    path = Path(source.path)
    if (selected := _selected(source.ids)) is not None:
        return len(selected)
    return pq.read_metadata(path).num_rows if column_names(path) and _is_parquet(path) else 0


def column_names(path: Path) -> list[str]:
    """Column names of a table.

    Raises:
        SourceError: the file does not exist or is not a table.
    """
    if not path.is_file():
        raise SourceError(f"there is no file {path}")
    try:
        if _is_parquet(path):
            return list(pq.read_schema(path).names)
        if path.suffix == ".csv":
            with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
                return next(csv.reader(file), [])
    except pa.ArrowException as error:
        raise SourceError(f"{path} cannot be read: {error}") from None
    raise SourceError(f"{path}: a table is a .parquet or .csv file")


def check_columns(path: Path, names: Sequence[str], wanted: Sequence[str]) -> None:
    """Raise SourceError unless each wanted column is there once."""
    for name in wanted:
        if name not in names:
            raise SourceError(f"{path} has no column {name!r}; it has {', '.join(names)}")
        if names.count(name) > 1:
            raise SourceError(
                f"{path} has {names.count(name)} columns called {name!r}: rename all but one"
            )


def read_rows(path: Path, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Rows of a small table; malformed rows of a CSV are an error.

    Raises:
        SourceError: a row does not match the header.
    """
    broken: list[Rejection] = []
    yield from rows_of_table(path, columns, broken)
    if broken:
        raise SourceError(f"{path}: {broken[0].reason} ({broken[0].where})")


def labels(source: TableSource, column: str) -> Iterator[Label]:
    """Yield id, cell of the value, extra columns and place of every row.

    Raises SourceError as `records` does.
    """
    path = Path(source.path)
    selected = _selected(source.ids)
    joined = next(iter(selected.values()), {}) if selected is not None else {}
    extra = [name for name in source.extra if name not in joined]
    names = column_names(path)
    key = name_of_id(source, names)
    wanted = list(dict.fromkeys([key, column, *extra]))
    check_columns(path, names, wanted)
    rows = rows_of_table(path, wanted, [])
    for number, row in enumerate(rows, start=1):
        name = as_text(row[key])
        if selected is None or name in selected:
            further = {one: as_text(row[one]) for one in extra}
            further |= selected[name] if selected is not None else {}
            yield name, row[column], further, f"{path.name}, row {number}"


def name_of_id(source: TableSource, names: Sequence[str]) -> str:
    """The column of the ids in a table with columns `names`."""
    return source.id or ("material_id" if "id" not in names else "id")


def raw_columns(path: Path, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Columns of a table, text as bytes, without malformed rows. Raises SourceError."""
    try:
        yield from _batches(path, list(names), [])
    except pa.ArrowException as error:
        raise SourceError(f"{path} cannot be read: {error}") from None


def as_text(value: Any) -> str:
    """A cell as text: empty for None; bytes that are not UTF-8 are read as Latin-1."""
    if isinstance(value, bytes):
        return decoded(value)
    return "" if value is None else str(value)


def _is_parquet(path: Path) -> bool:
    return path.suffix in (".parquet", ".pq")


def rows_of_table(
    path: Path, wanted: Sequence[str], broken: list[Rejection]
) -> Iterator[dict[str, Any]]:
    """Rows as dictionaries, text as bytes; rows with a wrong number of cells go to `broken`."""
    try:
        for batch in _batches(path, list(wanted), broken):
            for start in range(0, batch.num_rows, BATCH):
                yield from batch.slice(start, BATCH).to_pylist()
    except pa.ArrowException as error:
        raise SourceError(f"{path} cannot be read: {error}") from None


def _batches(path: Path, wanted: list[str], broken: list[Rejection]) -> Iterator[pa.RecordBatch]:
    if _is_parquet(path):
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(BATCH, columns=wanted):
                yield pa.RecordBatch.from_arrays(
                    [_text_as_bytes(c) for c in batch], batch.schema.names
                )
        return

    def skip(row: pacsv.InvalidRow) -> str:
        reason = f"the row has {row.actual_columns} cells instead of {row.expected_columns}"
        broken.append(Rejection("unknown", reason, f"{path.name}: {row.text[:60]!r}"))
        return "skip"

    with pacsv.open_csv(
        path,
        pacsv.ReadOptions(block_size=LARGEST_ROW),
        pacsv.ParseOptions(newlines_in_values=True, invalid_row_handler=skip),
        pacsv.ConvertOptions(
            include_columns=wanted, column_types=dict.fromkeys(wanted, pa.binary())
        ),
    ) as reader:
        yield from reader


def _text_as_bytes(column: pa.Array) -> pa.Array:
    """Strings as bytes, so that one that is not UTF-8 does not affect the others."""
    text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    return column.cast(pa.large_binary()) if text else column


def _selected(ids: IdList | None) -> dict[str, dict[str, str]] | None:
    """Further columns by id of the file `ids`; None without one."""
    if ids is None:
        return None
    path, key = Path(ids.path), ids.id
    names = column_names(path)
    if key not in names:
        raise SourceError(f"{path} has no column {key!r}; it has {', '.join(names)}")
    rows = [{k: as_text(v) for k, v in row.items()} for row in read_rows(path, names)]
    selected: dict[str, dict[str, str]] = {}
    for row in rows:
        name = row.pop(key)
        if selected.setdefault(name, row) != row:
            raise SourceError(f"{path} lists {name} twice, with different values: give one of them")
    return selected
