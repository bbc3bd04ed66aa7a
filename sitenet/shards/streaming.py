"""Data sets larger than memory: row groups of the shards come and go while a model is trained."""

from collections.abc import Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sitenet.progress import log
from sitenet.shards.batch import RaggedBatch
from sitenet.shards.schema import read_lists, row_groups
from sitenet.shards.store import COLUMNS, CrystalStore, Window, offsets

PAIR_BYTES = 8
"""Of a merged pair in a `CrystalStore`."""

CLASS_BYTES = 25
"""Of a site class."""


class StreamedStore:
    """Crystals of shards, of which only some row groups are in memory at a time.

    Like a `CrystalStore`, except that `batch` takes crystals of the row groups that `hold` has
    been told last. The next ones are read by a thread meanwhile. At most `limit` bytes are taken
    by the crystals held, those read ahead and those being converted.
    """

    def __init__(self, shards: Sequence[Path], keep: Collection[str] | None, limit: int) -> None:
        self._groups = [(shard, group) for shard in shards for group in range(row_groups(shard))]
        self._keep = keep
        ids, sites, atoms, pairs, classes = [], [], [], [], []
        for shard, group in self._groups:
            (columns,) = read_lists(shard, ("id", "n_sites", "n_atoms", "row_length"), [group])
            ends = np.cumsum(columns["row_length.length"])
            total = np.concatenate([[0], np.cumsum(columns["row_length"], dtype=np.int64)])
            chosen = np.array([keep is None or name in keep for name in columns["id"]], dtype=bool)
            ids.append(columns["id"][chosen])
            sites.append(columns["n_sites"][chosen])
            atoms.append(columns["n_atoms"][chosen])
            pairs.append(np.diff(total[np.concatenate([[0], ends])])[chosen])
            classes.append(columns["row_length.length"][chosen])
        self.ids: list[str] = np.concatenate(ids).tolist()
        if not self.ids:
            raise ValueError("the shards hold no crystal")
        self.index = {name: k for k, name in enumerate(self.ids)}
        self.sites, self.atoms, self.pairs, self.classes = (
            torch.from_numpy(np.concatenate(parts)).long()
            for parts in (sites, atoms, pairs, classes)
        )
        self._first = offsets(torch.tensor([len(part) for part in ids])).numpy()
        self.bytes = np.array([
            PAIR_BYTES * int(in_pairs.sum()) + CLASS_BYTES * int(in_classes.sum())
            for in_pairs, in_classes in zip(pairs, classes, strict=True)
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
        """Another process reads for itself."""
        state = self.__dict__.copy()
        state |= {"_held": ((), None), "_ahead": ((), None), "_thread": None}
        return state

    @property
    def device(self) -> torch.device:
        """Where batches are made."""
        return self._device

    def to(self, device: torch.device | str) -> "StreamedStore":
        """Put crystals that are held from now on onto `device`."""
        if (device := torch.device(device)) != self._device:
            self._device, self._held = device, ((), None)
        return self

    def windows(self, crystals: NDArray, seed: tuple[int, ...] | None) -> list[Window]:
        """Crystals (B,) of row groups that are in memory together, in the order of an epoch.

        With a seed, row groups of all shards are shuffled, so that a window mixes them.
        """
        group = np.searchsorted(self._first, crystals, side="right") - 1
        order = np.unique(group)
        if seed is not None:
            order = np.random.default_rng(seed).permutation(order)
        members = np.argsort(group, kind="stable")
        start = np.searchsorted(group[members], np.arange(len(self._groups) + 1))
        found: list[list[int]] = []
        room = 0.0
        for k in order.tolist():
            if self.bytes[k] > room or not found:
                found.append([])
                room = self._budget
            found[-1].append(k)
            room -= self.bytes[k]
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
        rows = self._row[crystals.numpy()]
        store = self._held[1]
        if store is None or (rows < 0).any():
            raise LookupError("crystals of a batch are not in memory: call `hold` first")
        return store.batch(torch.from_numpy(rows))

    def _read(self, groups: tuple[int, ...]) -> CrystalStore:
        arrays = (
            part
            for shard, group in (self._groups[k] for k in groups)
            for part in read_lists(shard, COLUMNS, [group])
        )
        return CrystalStore(arrays, self._keep)


Store = CrystalStore | StreamedStore


def open_store(shards: Sequence[Path], keep: Collection[str] | None, limit: int) -> Store:
    """Crystals of shards in memory, or streamed if they would take more than `limit` bytes.

    `keep` restricts to these ids. ValueError if a shard is unreadable.
    """
    streamed = StreamedStore(shards, keep, limit)
    size = int(streamed.bytes.sum())
    if size <= limit:
        return CrystalStore.from_shards(shards, keep)
    log.info(
        f"{len(streamed):,} crystals take {size / 2**30:.1f} GiB, of which memory_gib allows "
        f"{limit / 2**30:.1f}: shards are read again in every epoch"
    )
    return streamed
