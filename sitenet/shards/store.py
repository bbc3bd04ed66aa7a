"""All crystals of a data set in a few flat tensors; a batch is index arithmetic on them."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sitenet.crystal.distances import atom_distances
from sitenet.crystal.featurise import MergedCrystal
from sitenet.crystal.merging import sites_apart
from sitenet.shards.batch import RaggedBatch
from sitenet.shards.schema import LISTS, read_lists, to_table

_COLUMNS = ("id", "n_sites", "n_atoms", "numbers", "oxidation", "site_class", "row_length",
           "pair_class", "pair_distance", "pair_count")  # fmt: skip
_GEOMETRY = ("id", "n_sites", "n_atoms", "numbers", "oxidation", "images", "supercell", "lattice",
            "frac")  # fmt: skip


def ranges(starts: Tensor, lengths: Tensor, total: int | None = None) -> Tensor:
    """The integers of [start, start + length) of every entry, concatenated: (total,) int64.

    A caller who knows the sum of the lengths spares a GPU the wait for it.
    """
    first = starts - (lengths.cumsum(0) - lengths)
    shift = torch.repeat_interleave(first, lengths, output_size=total)
    return shift + torch.arange(shift.numel(), device=shift.device)


def offsets(lengths: Tensor) -> Tensor:
    """[0, l0, l0 + l1, ...] of lengths (n,): (n + 1,) int64."""
    return torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])


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
        for group in read_lists(shard, _GEOMETRY, groups):
            yield _sites_apart(_select(group, keep), sites_apart)


class Window(NamedTuple):
    """What is in memory together: numbers of row groups, and `members` (B,) of some crystals."""

    groups: tuple[int, ...]
    members: NDArray


class CrystalStore:
    """Merged crystals on one device.

    `ids` (B,), `sites` (B,) unique sites, `atoms` (B,) supercell atoms, `classes` (B,) site
    classes, `pairs` (B,) merged pairs: these stay on the CPU. Everything else is flat: site classes
    of all crystals, and merged pairs of all classes.
    """

    _moved = ("_sites", "_classes", "_class_offset", "_numbers", "_oxidation", "_site_weight",
              "_row_length", "_row_offset", "_pair_class", "_pair_distance",
              "_pair_count")  # fmt: skip

    def __init__(self, groups: Iterable[dict[str, NDArray]]) -> None:
        parts: dict[str, list[NDArray]] = {name: [] for name in (
            "ids", "sites", "atoms", "classes", "numbers", "oxidation", "site_weight",
            "row_length", "pair_class", "pair_distance", "pair_count")}  # fmt: skip
        for group in groups:
            for name, array in _class_level(group).items():
                parts[name].append(array)
        if not parts["ids"]:
            raise ValueError("the shards hold no crystal")
        flat = {name: _joined(arrays) for name, arrays in parts.items()}
        self.ids: list[str] = flat.pop("ids").tolist()
        self.index = {name: k for k, name in enumerate(self.ids)}
        tensors = {name: torch.from_numpy(array) for name, array in flat.items()}
        self.sites, self.atoms = tensors["sites"].long(), tensors["atoms"].long()
        self.classes = tensors["classes"].long()
        self._sites, self._classes = self.sites, self.classes
        self._class_offset = offsets(self.classes)
        self._numbers, self._oxidation = tensors["numbers"], tensors["oxidation"]
        self._site_weight = tensors["site_weight"]
        self._row_length = tensors["row_length"].long()
        self._row_offset = offsets(self._row_length)
        self._pair_class, self._pair_count = tensors["pair_class"], tensors["pair_count"]
        self._pair_distance = tensors["pair_distance"]
        pair_offset = self._row_offset[self._class_offset]
        self.pairs = pair_offset[1:] - pair_offset[:-1]

    @classmethod
    def from_shards(
        cls,
        shards: Sequence[Path],
        keep: Collection[str] | None = None,
        sites_apart: float | None = None,
    ) -> "CrystalStore":
        """Read shards; `keep` restricts to these ids, `sites_apart` is that of `read_groups`.

        Raises:
            ValueError: a shard is unreadable, or no crystal is left.
        """
        return cls(group for shard in shards for group in read_groups(shard, keep, sites_apart))

    @classmethod
    def from_crystals(cls, ids: Sequence[str], crystals: Sequence[MergedCrystal]) -> "CrystalStore":
        """Crystals in memory, through the same conversion as shards."""
        table = to_table(ids, crystals)
        arrays: dict[str, NDArray] = {}
        for name in _COLUMNS:
            column = table.column(name).combine_chunks()
            flat = column.flatten() if name in LISTS else column
            arrays[name] = flat.to_numpy(zero_copy_only=False)
            if name in LISTS:
                arrays[f"{name}.length"] = np.diff(column.offsets.to_numpy())
        return cls([arrays])

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def device(self) -> torch.device:
        """Where batches are made."""
        return self._numbers.device

    def to(self, device: torch.device | str) -> "CrystalStore":
        """Have batches on `device`, in place."""
        for name in self._moved:
            setattr(self, name, getattr(self, name).to(device))
        return self

    def windows(self, crystals: NDArray, seed: tuple[int, ...] | None) -> list[Window]:
        """Crystals (B,) that are in memory together: all of them (cf. `StreamedStore`)."""
        return [Window((), np.arange(len(crystals)))]

    def hold(self, groups: tuple[int, ...], upcoming: tuple[int, ...] = ()) -> None:
        """Have a window in memory: does nothing, since all crystals are."""

    def batch(self, crystals: Tensor) -> RaggedBatch:
        """The crystals with these indices (B,) int64 on the CPU as one batch, in this order."""
        count, device = len(crystals), self.device
        all_rows, all_pairs = int(self.classes[crystals].sum()), int(self.pairs[crystals].sum())
        crystals = crystals.to(device, non_blocking=True)
        classes = self._classes[crystals]
        rows = ranges(self._class_offset[crystals], classes, all_rows)
        crystal = torch.repeat_interleave(
            torch.arange(count, device=device), classes, output_size=all_rows
        )
        lengths = self._row_length[rows]
        pairs = ranges(self._row_offset[rows], lengths, all_pairs)
        pair_row = torch.repeat_interleave(
            torch.arange(all_rows, device=device), lengths, output_size=all_pairs
        )
        first_row = offsets(classes)[:-1]
        return RaggedBatch(
            numbers=self._numbers[rows].long(),
            oxidation=self._oxidation[rows],
            site_weight=self._site_weight[rows],
            crystal=crystal,
            sizes=self._sites[crystals].float(),
            row_offsets=offsets(lengths),
            pair_row=pair_row,
            pair_column=self._pair_class[pairs].long() + first_row[crystal[pair_row]],
            pair_distance=self._pair_distance[pairs],
            pair_count=self._pair_count[pairs].float(),
        )


def _joined(parts: list[NDArray]) -> NDArray:
    """Concatenate `parts`, which are emptied on the way: never is all in memory twice."""
    out = np.empty(sum(map(len, parts)), parts[0].dtype)
    parts.reverse()
    start = 0
    while parts:
        part = parts.pop()
        out[start : start + len(part)] = part
        start += len(part)
    return out


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


def _class_level(group: dict[str, NDArray]) -> dict[str, NDArray]:
    """Columns of a row group with sites collapsed to their classes."""
    sites, classes = group["site_class.length"], group["row_length.length"]
    start = np.repeat(np.cumsum(classes) - classes, sites)  # first class of the site's crystal
    of_site = start + group["site_class"]
    _, first, weight = np.unique(of_site, return_index=True, return_counts=True)
    return {
        "ids": group["id"],
        "sites": group["n_sites"],
        "atoms": group["n_atoms"],
        "classes": classes,
        "numbers": group["numbers"][first],
        "oxidation": group["oxidation"][first],
        "site_weight": weight.astype(np.float32),
        "row_length": group["row_length"],
        "pair_class": group["pair_class"].astype(np.int16),
        "pair_distance": group["pair_distance"],
        "pair_count": group["pair_count"].astype(np.int16),
    }
