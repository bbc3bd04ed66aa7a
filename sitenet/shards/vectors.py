"""Tables of one vector a crystal, embeddings and descriptors: Parquet with columns id and z."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sitenet.files import atomic_path
from sitenet.tables import read_arrow

Float = NDArray[np.float32]


def write_vectors(path: Path, ids: Sequence[str], values: Float) -> None:
    """Write vectors (n, width) of crystals as Parquet: id, z (list<float>[width])."""
    flat = pa.array(np.ascontiguousarray(values, dtype=np.float32).ravel())
    column = pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
    table = pa.table({"id": pa.array(ids, pa.string()), "z": column.cast(pa.list_(pa.float32()))})
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)


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
