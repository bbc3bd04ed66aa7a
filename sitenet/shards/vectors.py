"""Tables of one vector a crystal, embeddings and descriptors: Parquet with columns id and z."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sitenet.files import atomic_path
from sitenet.tables import read_arrow

Float = NDArray[np.float32]

ROW_GROUP = 2**16
"""Crystals of a row group, give or take a batch; bounds the memory of the writer."""

SCHEMA = pa.schema([("id", pa.string()), ("z", pa.list_(pa.float32()))])


def write_vectors(path: Path, ids: Sequence[str], batches: Iterable[Float]) -> None:
    """Write vectors of crystals as Parquet: id, z (list<float>[width]).

    `batches` are their rows (n, width), some at a time in the order of `ids`, of which no more
    than a row group is in memory. Raises ValueError where there are not as many rows as `ids`.
    """
    first = 0
    with (
        atomic_path(path) as temporary,
        pq.ParquetWriter(temporary, SCHEMA, compression="zstd", write_page_checksum=True) as writer,
    ):
        for rows in _row_groups(batches):
            names = pa.array(ids[first : first + len(rows)], pa.string())
            flat = pa.array(np.ascontiguousarray(rows, dtype=np.float32).ravel())
            lists = pa.FixedSizeListArray.from_arrays(flat, rows.shape[1]).cast(SCHEMA.types[1])
            writer.write_table(pa.Table.from_arrays([names, lists], schema=SCHEMA))
            first += len(rows)
        if first != len(ids):
            raise ValueError(f"{path}: {first:,} vectors for {len(ids):,} crystals")


def _row_groups(batches: Iterable[Float]) -> Iterator[Float]:
    """Join batches to at least ROW_GROUP rows, except for the last ones."""
    waiting: list[Float] = []
    for rows in batches:
        waiting.append(rows)
        if sum(map(len, waiting)) >= ROW_GROUP:
            yield np.concatenate(waiting)
            waiting.clear()
    if waiting:
        yield np.concatenate(waiting)


def read_vectors(paths: Iterable[Path], ids: Sequence[str]) -> Float:
    """Vectors (n, width) of the crystals `ids`, in that order, from one or several tables.

    Raises:
        ValueError: a crystal is in none of them.
    """
    tables = [read_arrow(path, ["id", "z"]) for path in paths]
    table = pa.concat_tables([t for t in tables if t.num_rows]).combine_chunks()
    row = {name: k for k, name in enumerate(table["id"].to_pylist())}
    if missing := [name for name in ids if name not in row]:
        raise ValueError(f"{len(missing):,} crystals have no vector, the first is {missing[0]}")
    flat = table["z"].combine_chunks().flatten().to_numpy()
    return flat.reshape(len(row), -1)[[row[name] for name in ids]]
