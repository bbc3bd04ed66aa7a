"""Crystals of shards, in memory or streamed; the two tables of a pre-training in step."""

from collections.abc import Collection, Sequence
from pathlib import Path

import torch
from numpy.typing import NDArray
from torch import Tensor

from sitenet.progress import log
from sitenet.shards.batch import RaggedBatch
from sitenet.shards.store import CrystalStore, Window
from sitenet.shards.streaming import StreamedStore

Store = CrystalStore | StreamedStore


class BothTables:
    """The table of merged pairs, and that with a class for every site, of the same crystals.

    Like a store, except that `batch` returns a batch of each. Where they are streamed, a window
    holds the same crystals of both. Counts are those of the merged pairs.
    """

    def __init__(self, merged: Store, apart: Store) -> None:
        self.merged, self.apart = merged, apart
        self.ids, self.index = merged.ids, merged.index
        self.sites, self.atoms = merged.sites, merged.atoms
        self.classes, self.pairs, self.types = merged.classes, merged.pairs, merged.types

    def __len__(self) -> int:
        return len(self.merged)

    def to(self, device: torch.device | str) -> "BothTables":
        """Make batches on `device`."""
        self.merged.to(device)
        self.apart.to(device)
        return self

    def windows(self, crystals: NDArray, seed: tuple[int, ...] | None) -> list[Window]:
        """As those of a store, for both tables."""
        if isinstance(self.apart, StreamedStore) and isinstance(self.merged, StreamedStore):
            return self.apart.windows(crystals, seed, beside=self.merged.bytes)
        return self.apart.windows(crystals, seed)

    def hold(self, groups: tuple[int, ...], upcoming: tuple[int, ...] = ()) -> None:
        """Have the crystals of some row groups in memory; start to read those to come."""
        self.merged.hold(groups, upcoming)
        self.apart.hold(groups, upcoming)

    def batch(self, crystals: Tensor) -> tuple[RaggedBatch, RaggedBatch]:
        """The crystals with these indices (B,), merged and with a class for every site."""
        return self.merged.batch(crystals), self.apart.batch(crystals)


def open_store(shards: Sequence[Path], keep: Collection[str] | None, limit: int) -> Store:
    """Crystals of shards in memory, or streamed if they would take more than `limit` bytes.

    `keep` restricts to these ids. `limit` counts site classes and merged pairs (see
    `StreamedStore`), not ids and the few numbers of each crystal.

    Raises:
        ValueError: a shard is unreadable, or no crystal is left.
    """
    streamed = StreamedStore(shards, keep, limit)
    return CrystalStore.from_shards(shards, keep) if _fits([streamed], limit) else streamed


def open_both(
    shards: Sequence[Path], keep: Collection[str] | None, limit: int, sites_apart: float
) -> BothTables:
    """Both tables in memory, or both streamed if together they would take more than `limit` bytes.

    `sites_apart` is the tolerance (A) of `read_groups`; the rest as for `open_store`.
    """
    merged = StreamedStore(shards, keep, limit)
    apart = StreamedStore(shards, keep, limit, sites_apart)
    if _fits([merged, apart], limit):
        return BothTables(
            CrystalStore.from_shards(shards, keep),
            CrystalStore.from_shards(shards, keep, sites_apart),
        )
    return BothTables(merged, apart)


def _fits(stores: Sequence[StreamedStore], limit: int) -> bool:
    """Whether these fit into memory together; logs where they do not."""
    size = sum(int(store.bytes.sum()) for store in stores)
    if size > limit:
        log.info(
            f"{len(stores[0]):,} crystals take {size / 2**30:.2g} GiB, of which memory_gib allows "
            f"{limit / 2**30:.2g}: shards are read again in every epoch"
        )
    return size <= limit
