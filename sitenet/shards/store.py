"""All crystals of a data set in a few flat tensors; a batch is index arithmetic on them."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sitenet.crystal.featurise import MergedCrystal
from sitenet.shards.batch import RaggedBatch
from sitenet.shards.pair_types import first_places
from sitenet.shards.row_groups import class_level, read_groups
from sitenet.shards.schema import GEOMETRY, to_arrays


def ranges(starts: Tensor, lengths: Tensor, total: int | None = None) -> Tensor:
    """The integers of [start, start + length) of every entry, concatenated: (total,) int64.

    `total`: the sum of the lengths, where it is known; then a GPU need not be synchronised with.
    """
    first = starts - (lengths.cumsum(0) - lengths)
    shift = torch.repeat_interleave(first, lengths, output_size=total)
    return shift + torch.arange(shift.numel(), device=shift.device)


def offsets(lengths: Tensor) -> Tensor:
    """[0, l0, l0 + l1, ...] of lengths (n,): (n + 1,) int64."""
    return torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])


class Window(NamedTuple):
    """Row groups in memory together, by number, and `members` (B,): positions of their crystals."""

    groups: tuple[int, ...]
    members: NDArray


class CrystalStore:
    """Merged crystals on one device.

    `ids` (B,), `sites` (B,) unique sites, `atoms` (B,) supercell atoms, `classes` (B,) site
    classes, `pairs` (B,) merged pairs, `types` (B,) pair types: these stay on the CPU. Everything
    else is flat: site classes of all crystals, merged pairs of all classes, and distances of all
    types. A distance is kept once for a type. Crystals of a store all have a geometry, or none has.
    """

    _moved = ("_sites", "_classes", "_class_offset", "_numbers", "_oxidation", "_site_weight",
              "_row_length", "_row_offset", "_pair_class", "_pair_count", "_pair_type",
              "_types", "_type_offset", "_type_distance", "_geometry")  # fmt: skip

    def __init__(self, groups: Iterable[dict[str, NDArray]]) -> None:
        parts: dict[str, list[NDArray]] = defaultdict(list)
        for group in groups:
            for name, array in class_level(group).items():
                parts[name].append(array)
        if not parts["ids"]:
            raise ValueError("the shards hold no crystal")
        if len({array.shape[1] for array in parts[GEOMETRY]}) > 1:
            raise ValueError("some of the shards have site geometry, others none")
        flat = {name: _joined(arrays) for name, arrays in parts.items()}
        self.ids: list[str] = flat.pop("ids").tolist()
        self.index = {name: k for k, name in enumerate(self.ids)}
        tensors = {name: torch.from_numpy(array) for name, array in flat.items()}
        self.sites, self.atoms = tensors["sites"].long(), tensors["atoms"].long()
        self.classes, self.types = tensors["classes"].long(), tensors["types"]
        self._sites, self._classes, self._types = self.sites, self.classes, self.types
        self._class_offset = offsets(self.classes)
        self._numbers, self._oxidation = tensors["numbers"], tensors["oxidation"]
        self._site_weight = tensors["site_weight"]
        self._row_length = tensors["row_length"].long()
        self._row_offset = offsets(self._row_length)
        self._pair_class, self._pair_count = tensors["pair_class"], tensors["pair_count"]
        self._pair_type, self._type_distance = tensors["pair_type"], tensors["type_distance"]
        self._type_offset = offsets(self.types)
        self._geometry = tensors[GEOMETRY]
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
        return cls([to_arrays(ids, crystals)])

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def device(self) -> torch.device:
        """The device of batches."""
        return self._numbers.device

    def to(self, device: torch.device | str) -> "CrystalStore":
        """Move the crystals to `device`, in place; batches are made there."""
        for name in self._moved:
            setattr(self, name, getattr(self, name).to(device))
        return self

    def windows(self, crystals: NDArray, seed: tuple[int, ...] | None) -> list[Window]:
        """Crystals (B,) that are in memory together: all of them (cf. `StreamedStore`)."""
        return [Window((), np.arange(len(crystals)))]

    def hold(self, groups: tuple[int, ...], upcoming: tuple[int, ...] = ()) -> None:
        """Have a window in memory: does nothing, since all crystals are."""

    def batches(self, parts: Sequence[Tensor]) -> list[RaggedBatch]:
        """A batch of each of `parts`, which are as for `batch`.

        Made at once: in small batches, starting an operation takes longer than the operation.
        """
        crystals = torch.cat(list(parts))
        if len(parts) == 1:
            return [self.batch(crystals)]
        last = torch.tensor([len(part) for part in parts]).cumsum(0) - 1
        ends = [torch.arange(1, len(crystals) + 1)]
        ends += [
            of_crystal[crystals].cumsum(0) for of_crystal in (self.classes, self.pairs, self.types)
        ]
        sizes = torch.stack(ends)[:, last].diff(prepend=torch.zeros(4, 1, dtype=torch.int64))
        return self.batch(crystals).parts(sizes.T.tolist())

    def batch(self, crystals: Tensor) -> RaggedBatch:
        """The crystals with these indices (B,) int64 on the CPU as one batch, in this order."""
        count, device = len(crystals), self.device
        all_rows, all_pairs, all_types = (
            int(of_crystal[crystals].sum()) for of_crystal in (self.classes, self.pairs, self.types)
        )
        crystals = crystals.to(device, non_blocking=True)
        classes, types = self._classes[crystals], self._types[crystals]
        rows = ranges(self._class_offset[crystals], classes, all_rows)
        crystal = torch.repeat_interleave(
            torch.arange(count, device=device), classes, output_size=all_rows
        )
        lengths = self._row_length[rows]
        pairs = ranges(self._row_offset[rows], lengths, all_pairs)
        pair_row = torch.repeat_interleave(
            torch.arange(all_rows, device=device), lengths, output_size=all_pairs
        )
        of_pair = crystal.index_select(0, pair_row)

        def shifted(own: Tensor, first: Tensor) -> Tensor:
            """Numbers (E,) that count from 0 in each crystal, from its first one (B,)."""
            return first.index_select(0, of_pair).add_(own)

        own_type = self._pair_type.index_select(0, pairs).long()
        pair_type = shifted(own_type, offsets(types))
        place = shifted(own_type, self._type_offset[crystals])
        return RaggedBatch(
            numbers=self._numbers[rows].long(),
            oxidation=self._oxidation[rows],
            site_weight=self._site_weight[rows],
            crystal=crystal,
            sizes=self._sites[crystals].float(),
            row_offsets=offsets(lengths),
            pair_row=pair_row,
            pair_column=shifted(self._pair_class.index_select(0, pairs).long(), offsets(classes)),
            pair_distance=self._type_distance.index_select(0, place),
            pair_count=self._pair_count.index_select(0, pairs).float(),
            pair_type=pair_type,
            type_first=first_places(pair_type, all_types),
            geometry=self._geometry[rows],
        )


def _joined(parts: list[NDArray]) -> NDArray:
    """Concatenate `parts` and empty the list on the way, so that memory is not needed twice."""
    shape = sum(map(len, parts)), *parts[0].shape[1:]
    out = np.empty(shape, np.result_type(*{part.dtype for part in parts}))
    parts.reverse()
    start = 0
    while parts:
        part = parts.pop()
        out[start : start + len(part)] = part
        start += len(part)
    return out
