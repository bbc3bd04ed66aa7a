"""Row groups of shards as flat arrays, the sites of each crystal collapsed to their classes."""

from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sitenet.crystal.distances import atom_distances
from sitenet.crystal.merging import sites_apart
from sitenet.crystal.site_geometry import CHANNELS
from sitenet.shards.pair_types import pair_types, species_codes
from sitenet.shards.schema import GEOMETRY, LISTS, read_lists

_COLUMNS = ("id", "n_sites", "n_atoms", "numbers", "oxidation", "site_class", "row_length",
           "pair_class", "pair_distance", "pair_count", GEOMETRY)  # fmt: skip
_CELLS = ("id", "n_sites", "n_atoms", "numbers", "oxidation", "images", "supercell", "lattice",
         "frac")  # fmt: skip

CHUNK = 1 << 18
"""Merged pairs whose types are found at once."""


def read_groups(
    shard: Path,
    keep: Collection[str] | None,
    sites_apart: float | None = None,
    groups: Sequence[int] | None = None,
) -> Iterator[dict[str, NDArray]]:
    """Row groups of a shard as flat arrays, restricted to the ids `keep`.

    With `sites_apart`, a tolerance in A, crystals have a class for every site: distances are
    computed from the cells in the shard, and those within the tolerance are merged. `groups`:
    numbers of the row groups, None for all. Raises DamagedTable.
    """
    if sites_apart is None:
        for group in read_lists(shard, _COLUMNS, groups):
            yield _select(group, keep)
    else:
        for group in read_lists(shard, _CELLS, groups):
            yield _sites_apart(_select(group, keep), sites_apart)


def _select(group: dict[str, NDArray], keep: Collection[str] | None) -> dict[str, NDArray]:
    """The crystals of a row group whose id is in `keep`."""
    if keep is None:
        return group
    chosen = np.array([name in keep for name in group["id"]], dtype=bool)
    if chosen.all():
        return group
    out = {}
    for name, array in group.items():
        lengths = group.get(f"{name}.length")
        out[name] = array[chosen if lengths is None else np.repeat(chosen, lengths)]
    return out


def _sites_apart(group: dict[str, NDArray], tolerance: float) -> dict[str, NDArray]:
    """Replace the cells of a row group by pairs of sites."""
    matrices = group["supercell"].reshape(-1, 3, 3).astype(np.int64)
    lattices = group["lattice"].reshape(-1, 3, 3)
    sites = np.split(group["frac"].reshape(-1, 3), np.cumsum(group["n_sites"]))
    tables = [
        sites_apart(atom_distances(lattice, frac, matrix), int(images), tolerance)
        for lattice, frac, matrix, images in zip(
            lattices, sites, matrices, group["images"], strict=False
        )
    ]
    out = {name: group[name] for name in ("id", "n_sites", "n_atoms", "numbers", "oxidation")}
    for name in LISTS:
        if name in ("site_class", "row_length", "pair_class", "pair_distance", "pair_count"):
            arrays = [getattr(table, name) for table in tables]
            flat = np.concatenate(arrays) if arrays else np.zeros(0)
            out[name] = flat.astype(LISTS[name].to_pandas_dtype())
            out[f"{name}.length"] = np.array([len(a) for a in arrays], dtype=np.int64)
    return out


def class_level(group: dict[str, NDArray]) -> dict[str, NDArray]:
    """Columns of a row group as a `CrystalStore` keeps them.

    Sites are collapsed to their classes; geometry is (R, G), (R, 0) where the shard has none. Of B
    crystals with T pair types: types (B,) of each, pair_type (E,) from 0 in each crystal, int16
    where that is enough, type_distance (T,) in A.
    """
    sites, classes = group["site_class.length"], group["row_length.length"]
    start = np.repeat(np.cumsum(classes) - classes, sites)  # first class of the site's crystal
    of_site = start + group["site_class"]
    _, first, weight = np.unique(of_site, return_index=True, return_counts=True)
    if GEOMETRY in group:
        geometry = group[GEOMETRY].reshape(-1, len(CHANNELS))
    else:
        geometry = np.empty((len(group["row_length"]), 0), dtype=np.float32)
    columns = {
        "ids": group["id"],
        "sites": group["n_sites"],
        "atoms": group["n_atoms"],
        "classes": classes,
        "numbers": group["numbers"][first],
        "oxidation": group["oxidation"][first],
        "site_weight": weight.astype(np.float32),
        "row_length": group["row_length"],
        "pair_class": group["pair_class"].astype(np.int16),
        "pair_count": group["pair_count"].astype(np.int16),
        GEOMETRY: geometry,
    }
    return columns | _types(columns, group["pair_distance"])


def _types(columns: dict[str, NDArray], distance: NDArray) -> dict[str, NDArray]:
    """Pair types, found for a few crystals at a time, whose pairs stay in the cache."""
    classes, lengths = columns["classes"], columns["row_length"]
    first_row = np.concatenate([[0], np.cumsum(classes)])
    first_pair = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])[first_row]
    cuts = np.searchsorted(first_pair, np.arange(0, len(distance), CHUNK))
    parts = [(np.zeros(0, np.int64), np.zeros(0, np.int16), np.zeros(0, np.float32))]
    for begin, end in pairwise(np.unique([*cuts, len(classes)])):
        rows = slice(first_row[begin], first_row[end])
        pairs = slice(first_pair[begin], first_pair[end])
        parts.append(
            _types_of(
                classes[begin:end],
                columns["numbers"][rows],
                columns["oxidation"][rows],
                columns[GEOMETRY][rows],
                lengths[rows],
                columns["pair_class"][pairs],
                distance[pairs],
            )
        )
    joined = map(np.concatenate, zip(*parts, strict=True))
    return dict(zip(("types", "pair_type", "type_distance"), joined, strict=True))


def _types_of(
    classes: NDArray,
    numbers: NDArray,
    oxidation: NDArray,
    geometry: NDArray,
    row_length: NDArray,
    pair_class: NDArray,
    distance: NDArray,
) -> tuple[NDArray, NDArray, NDArray]:
    """types, pair_type and type_distance of `class_level`."""
    crystal = torch.from_numpy(np.repeat(np.arange(len(classes)), classes))
    row = torch.from_numpy(np.repeat(np.arange(len(row_length)), row_length))
    of_pair = crystal.index_select(0, row)
    first_row = torch.from_numpy(np.cumsum(classes) - classes)
    column = torch.from_numpy(pair_class).long() + first_row.index_select(0, of_pair)
    species = species_codes(
        torch.tensor(numbers).long(), torch.tensor(oxidation), torch.tensor(geometry)
    )
    types, first = pair_types(species, crystal, row, column, torch.tensor(distance))
    count = torch.bincount(of_pair[first], minlength=len(classes))
    local = types - (count.cumsum(0) - count).index_select(0, of_pair)
    narrow = torch.int16 if int(count.max()) <= 1 << 15 else torch.int32
    return count.numpy(), local.to(narrow).numpy(), distance[first.numpy()]
