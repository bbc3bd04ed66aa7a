"""Writer of the table of structures, one row group at a time."""

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from sitenet.sources.records import SourceError
from sitenet.sources.structure_table import (
    FIXED,
    ROW_GROUP,
    StructureRow,
    structure_schema,
    to_table,
)


class StructureWriter:
    """Context manager that appends crystals to a Parquet file; call `finish` after the last one.

    Labels and extra columns are those of the first crystal. Raises SourceError if two columns would
    have the same name.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pending: list[StructureRow] = []
        self.file: pq.ParquetWriter | None = None

    def __enter__(self) -> "StructureWriter":
        return self

    def __exit__(self, *_: Any) -> None:
        if self.file is not None:
            self.file.close()

    def add(self, rows: list[StructureRow]) -> None:
        """Append crystals."""
        self.pending += rows
        while len(self.pending) >= ROW_GROUP:
            self._write(self.pending[:ROW_GROUP])
            self.pending = self.pending[ROW_GROUP:]

    def finish(self, offered: int) -> None:
        """Write what is pending, and `offered`, the number of records the source had."""
        if self.pending:
            self._write(self.pending)
        if self.file is not None:
            self.file.add_key_value_metadata({"rows": str(offered)})
            self.file.close()

    def _write(self, rows: list[StructureRow]) -> None:
        if self.file is None:
            labels, extra = list(rows[0].labels), list(rows[0].extra)
            names = [*FIXED, *labels, *extra]
            if twice := [name for name, count in Counter(names).items() if count > 1]:
                raise SourceError(f"two columns of the source would be called {twice[0]}")
            self.schema = structure_schema(labels, extra)
            self.file = pq.ParquetWriter(
                self.path, self.schema, compression="zstd", write_page_checksum=True
            )
        self.file.write_table(to_table(rows, self.schema))
