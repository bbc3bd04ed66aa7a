"""CSV and Parquet tables, written atomically, and checked for damage when they are read."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sitenet.files import atomic_path

if TYPE_CHECKING:  # pandas is slow to import, and shards are read without it
    import pandas as pd


class DamagedTable(ValueError):
    """A Parquet file that is truncated, corrupted or of another format."""

    def __init__(self, path: str | Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = Path(path), reason

    def __str__(self) -> str:
        return f"{self.path} is damaged ({self.reason}); delete it and make it anew"


@contextmanager
def undamaged(path: str | Path) -> Iterator[None]:
    """Raise DamagedTable for errors of pyarrow in this block that are due to the content of `path`.

    Errors of the operating system are not damage; they have an error number or a separate class.
    """
    try:
        yield
    except (MemoryError, FileNotFoundError, PermissionError):
        raise
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if getattr(error, "errno", None) is not None:
            raise
        raise DamagedTable(path, str(error)) from error


def open_parquet(path: str | Path) -> pq.ParquetFile:
    """Open a Parquet file with verification of checksums, to be read within `undamaged`."""
    return pq.ParquetFile(path, page_checksum_verification=True)


def row_count(path: str | Path) -> int:
    """Number of rows of a Parquet file. Raises DamagedTable."""
    with undamaged(path):
        return int(pq.read_metadata(path).num_rows)


def read_arrow(
    path: str | Path, columns: Sequence[str] | None = None, filters: Any = None
) -> pa.Table:
    """Columns (None: all) of a Parquet file, for rows that pass `filters` (as in pyarrow).

    Raises DamagedTable.
    """
    with undamaged(path):
        return pq.read_table(
            path,
            columns=None if columns is None else list(columns),
            filters=filters,
            page_checksum_verification=True,
        )


def read_table(
    path: str | Path, columns: Sequence[str] | None = None, filters: Any = None
) -> "pd.DataFrame":
    """The result of `read_arrow` as a data frame."""
    return read_arrow(path, columns, filters).to_pandas()


def read_ids(path: str | Path) -> list[str]:
    """The column id of a Parquet table; no other column is read. Raises DamagedTable."""
    return read_arrow(path, ["id"])["id"].to_pylist()


def read_by_id(
    path: str | Path, ids: Sequence[str], columns: Sequence[str]
) -> dict[str, NDArray[Any]]:
    """Columns (n,) of a Parquet table for the rows with the given `ids` (n,), in their order.

    Raises:
        DamagedTable: the file cannot be read.
        ValueError: an id is not in the table.
    """
    table = read_arrow(path, ["id", *columns])
    row = {name: k for k, name in enumerate(table["id"].to_pylist())}
    if missing := [name for name in ids if name not in row]:
        raise ValueError(f"{path} lacks {len(missing):,} crystals, the first is {missing[0]}")
    chosen = table.take(pa.array([row[name] for name in ids], pa.int64()))
    return {name: chosen[name].to_numpy() for name in columns}


def read_batches(path: str | Path, rows: int, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Columns of a Parquet file, at most `rows` rows at a time. Raises DamagedTable."""
    with undamaged(path), open_parquet(path) as file:
        yield from file.iter_batches(rows, columns=list(columns))


def write_table(path: str | Path, table: "pd.DataFrame", **options: Any) -> None:
    """Write a table without index, as CSV or as Parquet with checksums, by the suffix of `path`."""
    with atomic_path(path) as temporary:
        if Path(path).suffix == ".csv":
            table.to_csv(temporary, index=False, **options)
        else:
            table.to_parquet(temporary, index=False, write_page_checksum=True, **options)
