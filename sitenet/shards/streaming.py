"""Data sets larger than memory: row groups of the shards are read again in every epoch."""

from collections.abc import Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sitenet.crystal.site_geometry import CHANNELS
from sitenet.shards.batch import RaggedBatch
from sitenet.shards.row_groups import read_groups
from sitenet.shards.schema import has_geometry, read_lists, row_groups
from sitenet.shards.store import CrystalStore, Window, offsets

PAIR_BYTES = 12
"""Of a merged pair in a `CrystalStore`, at most: 8, and 4 where it is a type of its own."""

CLASS_BYTES = 25
"""Of a site class, without its geometry."""

GEOMETRY_BYTES = 4 * len(CHANNELS)


class _Counts(NamedTuple):
    """Crystals of a row group: ids (B,), and sites, atoms, site classes and pairs of each (B,)."""

    ids: NDArray
    sites: NDArray
    atoms: NDArray
    classes: NDArray
    pairs: NDArray


class StreamedStore:
    """Crystals of shards, of which only some row groups are in memory at a time.

    Like a `CrystalStore`, except that `batch` takes crystals of the row groups in the latest call
    of `hold`. A thread reads the next ones meanwhile. `limit` counts the bytes of all site classes
    and merged pairs in memory: of the crystals held, of those read ahead, and of both copies while
    row groups are joined. `bytes` (groups,) is what each row group takes at most, `types` (B,) are
    at most the pair types: shards do not count them.

    With `sites_apart` (A, see `read_groups`) shards do not count pairs either: `pairs` (B,) is an
    upper limit then, the pairs of every site with every atom of the supercell.
    """

    def __init__(
        self,
        shards: Sequence[Path],
        keep: Collection[str] | None,
        limit: int,
        sites_apart: float | None = None,
    ) -> None:
        self._groups = [(shard, group) for shard in shards for group in range(row_groups(shard))]
        self._keep, self._sites_apart = keep, sites_apart
        counts = [_count(*place, keep, sites_apart is not None) for place in self._groups]
        ids, *numbers = map(np.concatenate, zip(*counts, strict=True))
        self.ids: list[str] = ids.tolist()
        if not self.ids:
            raise ValueError("the shards hold no crystal")
        self.index = {name: k for k, name in enumerate(self.ids)}
        self.sites, self.atoms, self.classes, self.pairs = (
            torch.from_numpy(part).long() for part in numbers
        )
        self.types = self.pairs  # at most: shards do not count types
        self._first = offsets(torch.tensor([len(group.ids) for group in counts])).numpy()
        geometry = sites_apart is None and has_geometry(shards[0])
        class_bytes = CLASS_BYTES + geometry * GEOMETRY_BYTES
        self.bytes = np.array([
            PAIR_BYTES * int(group.pairs.sum()) + class_bytes * int(group.classes.sum())
            for group in counts
        ])  # fmt: skip
        self._budget = limit / 4  # held, ahead, and twice that while it is joined
        self._device = torch.device("cpu")
        self._held: tuple[tuple[int, ...], CrystalStore | None] = ((), None)
        self._ahead: tuple[tuple[int, ...], Future[CrystalStore] | None] = ((), None)
        self._thread: ThreadPoolExecutor | None = None
        self._row = np.full(len(self.ids), -1)  # of a crystal among those held

    def __len__(self) -> int:
        return len(self.ids)

    def __getstate__(self) -> dict:
        """Without open files and threads: another process reads the shards itself."""
        state = self.__dict__.copy()
        state |= {"_held": ((), None), "_ahead": ((), None), "_thread": None}
        return state

    @property
    def device(self) -> torch.device:
        """The device of batches."""
        return self._device

    def to(self, device: torch.device | str) -> "StreamedStore":
        """Make batches on `device` from the next `hold` on."""
        if (device := torch.device(device)) != self._device:
            self._device, self._held = device, ((), None)
        return self

    def windows(
        self, crystals: NDArray, seed: tuple[int, ...] | None, beside: NDArray | None = None
    ) -> list[Window]:
        """Crystals (B,) of row groups that are in memory together, in the order of an epoch.

        With a seed, row groups of all shards are shuffled, so that a window mixes them. `beside`
        (groups,): bytes that each row group takes elsewhere, within the same limit.
        """
        size = self.bytes if beside is None else self.bytes + beside
        group = np.searchsorted(self._first, crystals, side="right") - 1
        order = np.unique(group)
        if seed is not None:
            order = np.random.default_rng(seed).permutation(order)
        members = np.argsort(group, kind="stable")
        start = np.searchsorted(group[members], np.arange(len(self._groups) + 1))
        found: list[list[int]] = []
        room = 0.0
        for k in order.tolist():
            if size[k] > room or not found:
                found.append([])
                room = self._budget
            found[-1].append(k)
            room -= size[k]
        return [
            Window(
                tuple(groups),
                np.sort(np.concatenate([members[start[k] : start[k + 1]] for k in groups])),
            )
            for groups in found
        ]

    def hold(self, groups: tuple[int, ...], upcoming: tuple[int, ...] = ()) -> None:
        """Have the crystals of some row groups in memory; start to read those to come."""
        if self._held[0] != groups:
            self._held = ((), None)  # their memory is free before the next are joined
            ahead, future = self._ahead
            store = future.result() if future and ahead == groups else self._read(groups)
            self._ahead = ((), None)
            self._held = (groups, store.to(self._device))
            self._row[:] = -1
            crystals = np.concatenate([np.arange(*self._first[k : k + 2]) for k in groups])
            self._row[crystals] = np.arange(len(crystals))
        if upcoming and upcoming != groups and self._ahead[0] != upcoming:
            self._thread = self._thread or ThreadPoolExecutor(1, "shards")
            self._ahead = (upcoming, self._thread.submit(self._read, upcoming))

    def batch(self, crystals: Tensor) -> RaggedBatch:
        """The crystals with these indices (B,), all of row groups that are held, as one batch."""
        return self.batches([crystals])[0]

    def batches(self, parts: Sequence[Tensor]) -> list[RaggedBatch]:
        """A batch of each of `parts`, which are as for `batch`."""
        rows = [self._row[crystals.numpy()] for crystals in parts]
        store = self._held[1]
        if store is None or any((part < 0).any() for part in rows):
            raise LookupError("crystals of a batch are not in memory: call `hold` first")
        return store.batches([torch.from_numpy(part) for part in rows])

    def _read(self, groups: tuple[int, ...]) -> CrystalStore:
        return CrystalStore(
            arrays
            for shard, group in (self._groups[k] for k in groups)
            for arrays in read_groups(shard, self._keep, self._sites_apart, [group])
        )


def _count(shard: Path, group: int, keep: Collection[str] | None, sites_apart: bool) -> _Counts:
    """Sizes of a row group's crystals, without reading their pairs."""
    columns = ("id", "n_sites", "n_atoms", "row_length")
    (table,) = read_lists(shard, columns, [group])
    ids, sites, atoms = table["id"], table["n_sites"], table["n_atoms"]
    classes = table["row_length.length"]
    total = np.concatenate([[0], np.cumsum(table["row_length"], dtype=np.int64)])
    pairs = np.diff(total[np.concatenate([[0], np.cumsum(classes)])])
    if sites_apart:
        classes, pairs = sites, sites.astype(np.int64) * atoms
    chosen = np.array([keep is None or name in keep for name in ids], dtype=bool)
    return _Counts(*(part[chosen] for part in (ids, sites, atoms, classes, pairs)))
