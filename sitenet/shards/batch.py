"""Batches of crystals: merged pairs for the engine, padded pairs for the dense reference."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sitenet.crystal.merging import MergedPairs
from sitenet.shards.pair_types import pair_types, species_codes


@dataclass(frozen=True)
class RaggedBatch:
    """Crystals as concatenated site classes (R rows) and merged pairs (E), grouped by row.

    numbers (R,) int64, oxidation (R,) in e, site_weight (R,) unique sites of each class,
    crystal (R,) int64 index into the batch, sizes (B,) unique sites of each crystal;
    row_offsets (R + 1,), pair_row (E,), pair_column (E,) int64 rows, pair_distance (E,) in A,
    pair_count (E,) supercell atoms of each merged pair; pair_type (E,) int64 one of T types, which
    are those of each crystal in turn, type_first (T,) int64 first pair of each, rising (see
    `pair_types`). Types follow from species and distances: where these change, see `with_types`.
    geometry (R, G): what surrounds the sites of each class; G is 0 if they were featurised without.
    """

    numbers: Tensor
    oxidation: Tensor
    site_weight: Tensor
    crystal: Tensor
    sizes: Tensor
    row_offsets: Tensor
    pair_row: Tensor
    pair_column: Tensor
    pair_distance: Tensor
    pair_count: Tensor
    pair_type: Tensor
    type_first: Tensor
    geometry: Tensor

    def to(self, device: torch.device | str) -> "RaggedBatch":
        """The same batch on `device`."""
        return replace(self, **{f.name: getattr(self, f.name).to(device) for f in fields(self)})

    def parts(self, sizes: Sequence[tuple[int, int, int, int]]) -> list["RaggedBatch"]:
        """Batches of consecutive crystals, in memory of this one, which is of no use afterwards.

        sizes: crystals, site classes, pairs and pair types of each.
        """
        crystals, rows, pairs, types = map(list, zip(*sizes, strict=True))
        lengths = {
            **dict.fromkeys(("numbers", "oxidation", "site_weight", "crystal", "geometry"), rows),
            **dict.fromkeys(("pair_row", "pair_column", "pair_distance", "pair_count"), pairs),
            **{"sizes": crystals, "pair_type": pairs, "type_first": types},
        }
        split = {name: getattr(self, name).split(length) for name, length in lengths.items()}
        made = []
        first, row, pair, kind = 0, 0, 0, 0
        for k, (more, more_rows, more_pairs, more_types) in enumerate(sizes):
            own = {name: tensors[k] for name, tensors in split.items()}
            for name, before in (("crystal", first), ("pair_row", row), ("pair_column", row),
                                 ("pair_type", kind), ("type_first", pair)):  # fmt: skip
                own[name].sub_(before)
            offsets = self.row_offsets[row : row + more_rows + 1] - pair
            made.append(RaggedBatch(row_offsets=offsets, **own))
            first, row, pair, kind = (
                first + more, row + more_rows, pair + more_pairs, kind + more_types
            )  # fmt: skip
        return made

    @property
    def row_atoms(self) -> Tensor:
        """Supercell atoms (R,) that the merged pairs of each row stand for."""
        none = self.pair_count.new_zeros(len(self.numbers))
        return none.index_add(0, self.pair_row, self.pair_count)

    def within(self, distance: float) -> tuple["RaggedBatch", Tensor]:
        """The batch without pairs farther apart (A), and which pairs (E,) bool are left."""
        kept = self.pair_distance <= distance
        row = self.pair_row[kept]
        lengths = torch.bincount(row, minlength=len(self.numbers))
        pairs = {name: getattr(self, name)[kept] for name in (
            "pair_column", "pair_distance", "pair_count")}  # fmt: skip
        kept_types = kept[self.type_first]  # all pairs of a type have one distance
        pairs["pair_type"] = (kept_types.cumsum(0) - 1)[self.pair_type[kept]]
        pairs["type_first"] = (kept.cumsum(0) - 1)[self.type_first[kept_types]]
        offsets = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
        return replace(self, row_offsets=offsets, pair_row=row, **pairs), kept

    def with_types(self) -> "RaggedBatch":
        """The batch with pair types computed anew, for species or distances that have changed."""
        species = species_codes(self.numbers, self.oxidation, self.geometry)
        types, first = pair_types(
            species, self.crystal, self.pair_row, self.pair_column, self.pair_distance
        )
        return replace(self, pair_type=types, type_first=first)

    def cast(self, dtype: torch.dtype) -> "RaggedBatch":
        """The same batch with real-valued features of `dtype`.

        Types are computed anew where distances lose digits, since more of them may be equal then.
        """
        real = ("oxidation", "site_weight", "sizes", "pair_distance", "pair_count", "geometry")
        cast = replace(self, **{name: getattr(self, name).to(dtype) for name in real})
        return cast.with_types() if dtype.itemsize < self.pair_distance.itemsize else cast


@dataclass(frozen=True)
class DenseBatch:
    """Crystals with every pair of unique site i and supercell atom j, padded along j.

    numbers, oxidation, crystal (R,) for the R unique sites of all crystals; sizes (B,);
    distance (R, A) in A, column (R, A) int64 row of the unique site that atom j is an image of,
    padding (R, A) bool, True beyond the crystal's own atoms. geometry (R, G) of each site.
    """

    numbers: Tensor
    oxidation: Tensor
    crystal: Tensor
    sizes: Tensor
    distance: Tensor
    column: Tensor
    padding: Tensor
    geometry: Tensor

    @property
    def site_weight(self) -> Tensor:
        """Sites that each row stands for: one."""
        return torch.ones_like(self.oxidation)


def dense_batch(
    crystals: Sequence[tuple[NDArray, NDArray, NDArray]],
    dtype: torch.dtype = torch.float64,
    geometry: Sequence[NDArray] | None = None,
) -> DenseBatch:
    """Pad crystals given as (numbers (P,), oxidation (P,), distances (P, A)) to one batch.

    Supercell atom j of a crystal is an image of its site j // (A / P) (images are contiguous).
    `geometry`: that of the sites (P, G) of each crystal.
    """
    widest = max(distances.shape[1] for _, _, distances in crystals)
    rows = sum(len(numbers) for numbers, _, _ in crystals)
    distance = torch.zeros(rows, widest, dtype=dtype)
    column = torch.zeros(rows, widest, dtype=torch.int64)
    padding = torch.ones(rows, widest, dtype=torch.bool)
    start = 0
    for numbers, _, distances in crystals:
        sites, atoms = distances.shape
        here = slice(start, start + sites)
        distance[here, :atoms] = torch.as_tensor(distances, dtype=dtype)
        column[here, :atoms] = start + torch.arange(atoms) // (atoms // sites)
        column[here, atoms:] = start
        padding[here, :atoms] = False
        start += len(numbers)
    sizes = torch.tensor([len(numbers) for numbers, _, _ in crystals])
    return DenseBatch(
        numbers=torch.as_tensor(np.concatenate([c[0] for c in crystals])).long(),
        oxidation=torch.as_tensor(np.concatenate([c[1] for c in crystals])).to(dtype),
        crystal=torch.repeat_interleave(torch.arange(len(crystals)), sizes),
        sizes=sizes.to(dtype),
        distance=distance,
        column=column,
        padding=padding,
        geometry=_geometry(geometry, len(distance)).to(dtype),
    )


def ragged_batch(
    crystals: Sequence[tuple[NDArray, NDArray, MergedPairs]],
    geometry: Sequence[NDArray] | None = None,
) -> RaggedBatch:
    """Crystals given as (numbers (P,), oxidation (P,), merged pairs) as one float64 batch.

    For crystals in memory at full precision; a `CrystalStore` makes batches of many. Pair types
    have equal distances in double precision. `geometry`: that of each crystal's classes (R, G).
    """
    first = [np.unique(pairs.site_class, return_index=True)[1] for _, _, pairs in crystals]
    classes = torch.tensor([len(f) for f in first])
    lengths = torch.from_numpy(np.concatenate([p.row_length for _, _, p in crystals])).long()
    start = torch.cat([classes.new_zeros(1), classes.cumsum(0)])[:-1]
    entries = torch.tensor([len(p.pair_class) for _, _, p in crystals])

    def joined(arrays: Iterable[NDArray]) -> Tensor:
        return torch.from_numpy(np.concatenate(list(arrays)))

    crystal = torch.repeat_interleave(torch.arange(len(crystals)), classes)
    row = torch.repeat_interleave(torch.arange(len(lengths)), lengths)
    column = joined(p.pair_class for _, _, p in crystals).long()
    column = column + torch.repeat_interleave(start, entries)
    numbers = joined(z[f] for (z, _, _), f in zip(crystals, first, strict=True)).long()
    oxidation = joined(o[f] for (_, o, _), f in zip(crystals, first, strict=True)).double()
    distance = joined(p.pair_distance for _, _, p in crystals).double()
    surroundings = _geometry(geometry, len(numbers))
    species = species_codes(numbers, oxidation, surroundings)
    types = pair_types(species, crystal, row, column, distance)
    return RaggedBatch(
        numbers=numbers,
        oxidation=oxidation,
        site_weight=joined(np.bincount(p.site_class) for _, _, p in crystals).double(),
        crystal=crystal,
        sizes=torch.tensor([len(z) for z, _, _ in crystals]).double(),
        row_offsets=torch.cat([lengths.new_zeros(1), lengths.cumsum(0)]),
        pair_row=row,
        pair_column=column,
        pair_distance=distance,
        pair_count=joined(p.pair_count for _, _, p in crystals).double(),
        pair_type=types[0],
        type_first=types[1],
        geometry=surroundings,
    )


def _geometry(parts: Sequence[NDArray] | None, rows: int) -> Tensor:
    """The geometry of some crystals together (rows, G), G = 0 if they have none."""
    together = np.zeros((rows, 0)) if parts is None else np.concatenate(parts)
    return torch.from_numpy(together)
