"""The shard format: Parquet, one row per crystal, lists for its sites, classes and merged pairs.

P unique sites, R site classes, E merged pairs of a crystal:

=============== ============== ===================================================================
column          type           meaning
=============== ============== ===================================================================
id              string         as in structures.parquet
n_sites         int32          P, sites of the primitive cell
n_atoms         int32          A = P * images, atoms of the supercell
images          int32          primitive cells in the supercell
supercell       list<int16>    9 integers, rows: supercell vectors in primitive vectors
lattice         list<double>   9 numbers, rows: primitive vectors in A
numbers         list<uint8>    P atomic numbers
frac            list<double>   3 P fractional coordinates of the primitive cell
oxidation       list<float>    P oxidation states in e
site_class      list<uint16>   P classes, numbered by first appearance
row_length      list<int32>    R, merged pairs of each class, in order of class
pair_class      list<uint16>   E, class of the neighbour
pair_distance   list<float>    E, minimum-image distance in A (0: the site itself)
pair_count      list<uint16>   E, supercell atoms merged into the pair; a row's counts add up to A
geometry        list<float>    28 R numbers of what surrounds each class, row by row; the column is
                               there only with `features.site_geometry`
=============== ============== ===================================================================
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sitenet.crystal.featurise import MergedCrystal
from sitenet.tables import DamagedTable, open_parquet, undamaged

LISTS: dict[str, pa.DataType] = {
    "supercell": pa.int16(),
    "lattice": pa.float64(),
    "numbers": pa.uint8(),
    "frac": pa.float64(),
    "oxidation": pa.float32(),
    "site_class": pa.uint16(),
    "row_length": pa.int32(),
    "pair_class": pa.uint16(),
    "pair_distance": pa.float32(),
    "pair_count": pa.uint16(),
}
SCALARS = {"n_sites": pa.int32(), "n_atoms": pa.int32(), "images": pa.int32()}
SCHEMA = pa.schema(
    [("id", pa.string()), *SCALARS.items(), *((n, pa.list_(t)) for n, t in LISTS.items())],
    metadata={"format": "sitenet shard 1"},
)

GEOMETRY = "geometry"
"""A list column of shards of crystals with `MergedCrystal.geometry`, after all others."""

WITH_GEOMETRY = SCHEMA.append(pa.field(GEOMETRY, pa.list_(pa.float32())))
ALL_LISTS = LISTS | {GEOMETRY: pa.float32()}


def to_arrays(ids: Sequence[str], crystals: Sequence[MergedCrystal]) -> dict[str, NDArray]:
    """Crystals as flat arrays, as `read_lists` gives them: a list column `x` and `x.length`.

    NumPy only: arrays of Arrow are not made without importing pandas.
    """
    sites = np.array([len(c.numbers) for c in crystals])
    images = np.array([c.images for c in crystals])
    arrays: dict[str, NDArray] = {"id": np.array(ids, dtype=object)}
    for (name, kind), values in zip(SCALARS.items(), (sites, sites * images, images), strict=True):
        arrays[name] = values.astype(kind.to_pandas_dtype())
    for name, kind in _lists(crystals).items():
        parts = [np.ravel(getattr(c, name)) for c in crystals]
        arrays[name] = np.concatenate(parts).astype(kind.to_pandas_dtype())
        arrays[f"{name}.length"] = np.array([len(part) for part in parts])
    return arrays


def _lists(crystals: Sequence[MergedCrystal]) -> dict[str, pa.DataType]:
    """The list columns of crystals, all of them with or all without geometry."""
    return LISTS if crystals[0].geometry is None else ALL_LISTS


def to_table(ids: Sequence[str], crystals: Sequence[MergedCrystal]) -> pa.Table:
    """Crystals as an Arrow table of `SCHEMA`, or of `WITH_GEOMETRY` where they have one."""
    arrays = to_arrays(ids, crystals)
    columns = [pa.array(arrays[name], SCHEMA.field(name).type) for name in ("id", *SCALARS)]
    lists = _lists(crystals)
    for name, kind in lists.items():
        offsets = np.concatenate([[0], np.cumsum(arrays[f"{name}.length"])]).astype(np.int32)
        columns.append(pa.ListArray.from_arrays(offsets, pa.array(arrays[name], kind)))
    schema = WITH_GEOMETRY if GEOMETRY in lists else SCHEMA
    return pa.Table.from_arrays(columns, schema=schema)


def open_writer(path: Path, geometry: bool = False) -> pq.ParquetWriter:
    """A writer of shards: zstd, distances split by byte (they compress better so).

    `geometry`: whether the crystals have one.
    """
    return pq.ParquetWriter(
        path,
        WITH_GEOMETRY if geometry else SCHEMA,
        compression="zstd",
        compression_level=5,
        use_dictionary=["id"],
        use_byte_stream_split=["pair_distance.list.element"],
        write_page_checksum=True,
    )


def row_groups(path: Path) -> int:
    """Number of row groups of a shard. Raises DamagedTable."""
    with undamaged(path), open_parquet(path) as file:
        return int(file.num_row_groups)


def has_geometry(path: Path) -> bool:
    """Whether the crystals of a shard have a geometry. Raises DamagedTable."""
    with undamaged(path), open_parquet(path) as file:
        return GEOMETRY in file.schema_arrow.names


def read_lists(
    path: Path, columns: Sequence[str], groups: Sequence[int] | None = None
) -> Iterator[dict[str, NDArray]]:
    """Row groups of a shard as flat arrays; a list column `x` also gives its lengths `x.length`.

    `groups`: numbers of the row groups, None for all. The column `geometry` is left out where the
    shard has none. Raises DamagedTable if it is not a whole shard of this format.
    """
    with undamaged(path), open_parquet(path) as file:
        found = file.schema_arrow
        known = any(found.equals(one) for one in (SCHEMA, WITH_GEOMETRY))
        if not (known and found.metadata == SCHEMA.metadata):
            raise DamagedTable(path, "it is of another version of the format")
        columns = [name for name in columns if name != GEOMETRY or name in found.names]
        for group in range(file.num_row_groups) if groups is None else groups:
            table = file.read_row_group(group, columns=columns)
            arrays: dict[str, NDArray] = {}
            for name in columns:
                chunks = table.column(name)
                # combine_chunks copies even a single one
                column = chunks.chunk(0) if chunks.num_chunks == 1 else chunks.combine_chunks()
                if name in ALL_LISTS:
                    arrays[name] = column.flatten().to_numpy(zero_copy_only=False)
                    arrays[f"{name}.length"] = np.diff(column.offsets.to_numpy())
                else:
                    arrays[name] = column.to_numpy(zero_copy_only=False)
            yield arrays
