"""The table of structures: a Parquet file with one row per usable crystal.

id                string            unique in the data set
cif               string            as given by the source
formula           string            reduced, in pymatgen's notation
n_sites           int32             n, sites of the cell in the CIF
lattice           list<double>[9]   rows a, b, c in A
numbers           list<int16>[n]    atomic numbers
frac              list<double>[3n]  fractional positions in [0, 1), grouped by site
oxidation_given   list<float>[n]    oxidation states in the CIF, 0 if there is none
note              string            what was changed when reading
row               int64             position among all records of the source, incl. rejected ones
followed, if the source computes labels or brings them with its crystals, by these as doubles and by
its extra columns as strings. Labels that a user may edit are not here but in the tables of labels
(`sitenet.sources.label_table`), so that nothing is featurised anew after a change of them. The
file's metadata has `rows`, the source's number of records.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sitenet.structure.cif import Crystal
from sitenet.tables import open_parquet, read_batches, undamaged

ROW_GROUP = 2000
"""Largest number of crystals in a row group, which limits the memory of writer and readers."""

_FIXED = [
    pa.field("id", pa.string(), nullable=False),
    pa.field("cif", pa.string(), nullable=False),
    pa.field("formula", pa.string(), nullable=False),
    pa.field("n_sites", pa.int32(), nullable=False),
    pa.field("lattice", pa.list_(pa.float64()), nullable=False, metadata={"unit": "A"}),
    pa.field("numbers", pa.list_(pa.int16()), nullable=False),
    pa.field("frac", pa.list_(pa.float64()), nullable=False),
    pa.field("oxidation_given", pa.list_(pa.float32()), nullable=False),
    pa.field("note", pa.string(), nullable=False),
    pa.field("row", pa.int64(), nullable=False),
]
FIXED = tuple(field.name for field in _FIXED)
"""Reserved names, which no task or extra column can have."""


@dataclass(frozen=True)
class StructureRow:
    """One usable crystal."""

    id: str
    cif: str
    formula: str
    crystal: Crystal
    row: int
    labels: Mapping[str, float | None]
    """Value by the source's name of the label."""
    extra: Mapping[str, str]
    where: str
    """Place in the source; not written."""


def structure_schema(labels: Sequence[str], extra: Sequence[str]) -> pa.Schema:
    """Schema of the table with these labels and extra columns of its source."""
    numbers = [pa.field(name, pa.float64()) for name in labels]
    return pa.schema([*_FIXED, *numbers, *(pa.field(name, pa.string()) for name in extra)])


def to_table(rows: Sequence[StructureRow], schema: pa.Schema) -> pa.Table:
    """Crystals as an Arrow table with a schema from `structure_schema`."""
    crystals = [row.crystal for row in rows]
    columns = [
        [row.id for row in rows],
        [row.cif for row in rows],
        [row.formula for row in rows],
        [len(crystal.numbers) for crystal in crystals],
        _lists([crystal.lattice for crystal in crystals], pa.float64()),
        _lists([crystal.numbers for crystal in crystals], pa.int16()),
        _lists([crystal.frac for crystal in crystals], pa.float64()),
        _lists([crystal.oxidation for crystal in crystals], pa.float32()),
        [crystal.note for crystal in crystals],
        [row.row for row in rows],
    ]
    for field in list(schema)[len(_FIXED) :]:
        label = field.type == pa.float64()
        columns.append([(row.labels if label else row.extra)[field.name] for row in rows])
    return pa.table(
        [
            pa.array(column, type=field.type) if isinstance(column, list) else column
            for column, field in zip(columns, schema, strict=True)
        ],
        schema=schema,
    )


def _lists(arrays: Sequence[Any], kind: pa.DataType) -> pa.ListArray:
    """A list column with one flattened array per row."""
    ends = np.cumsum([0, *(array.size for array in arrays)], dtype=np.int32)
    flat = np.concatenate([array.ravel() for array in arrays]) if arrays else np.empty(0)
    return pa.ListArray.from_arrays(ends, pa.array(flat.astype(kind.to_pandas_dtype())))


def read_structures(
    path: Path, columns: Sequence[str] | None = None, rows: tuple[int, int] | None = None
) -> pa.Table:
    """Read a table of structures.

    Args:
        path: Parquet file.
        columns: names; None for all.
        rows: range (start, stop) of rows; None for all. Only their row groups are read.
    """
    with undamaged(path), open_parquet(path) as file:
        ends = np.cumsum(
            [file.metadata.row_group(k).num_rows for k in range(file.num_row_groups)], dtype=int
        )
        first, last = rows or (0, file.metadata.num_rows)
        first_group, last_group = np.searchsorted(ends, [first, last - 1], side="right")
        groups = range(int(first_group), min(int(last_group) + 1, len(ends)))
        table = file.read_row_groups(list(groups), columns=list(columns) if columns else None)
        start = int(ends[first_group - 1]) if first_group else 0
        return table.slice(first - start, last - first)


def iter_crystals(
    path: Path, first: int = 0, last: int | None = None
) -> Iterator[tuple[str, Crystal]]:
    """Ids and crystals of rows `first` to `last` - 1 (None: to the end), read in small batches.

    Oxidation states are those given in the CIFs.
    """
    columns = ["id", "lattice", "numbers", "frac", "oxidation_given"]
    seen = 0
    for batch in read_batches(path, 1000, columns):
        start = max(first - seen, 0)
        stop = batch.num_rows if last is None else min(last - seen, batch.num_rows)
        seen += batch.num_rows
        if start >= stop:
            continue
        for row in batch.slice(start, stop - start).to_pylist():
            yield (
                row["id"],
                Crystal(
                    lattice=np.array(row["lattice"], dtype=np.float64).reshape(3, 3),
                    numbers=np.array(row["numbers"], dtype=np.int64),
                    frac=np.array(row["frac"], dtype=np.float64).reshape(-1, 3),
                    oxidation=np.array(row["oxidation_given"], dtype=np.float64),
                ),
            )


def rows_offered(path: Path) -> int:
    """Number of records of the source from which this table was made."""
    with undamaged(path):
        return int(pq.read_metadata(path).metadata[b"rows"])
