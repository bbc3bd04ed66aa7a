"""Which crystals form a batch: shuffled by a seed, packed to nearly equal size."""

import numpy as np
from numpy.typing import NDArray


def pack(sizes: NDArray, limit: int, seed: tuple[int, ...] | None) -> list[NDArray]:
    """Split crystals into batches whose sizes add up to at most `limit`.

    sizes (B,) unique sites. With a seed the crystals are shuffled and put, in random order, into
    the fullest batch that still has room among the last few opened (bin packing), and the batches
    are shuffled; without, they keep their order. A crystal above the limit is a batch of its own.
    Returns arrays of indices (int64), every crystal once.
    """
    order = np.arange(len(sizes))
    if seed is None:
        return _next_fit(order, sizes, limit)
    random = np.random.default_rng(seed)
    batches = _best_fit(random.permutation(order), sizes, limit)
    return [batches[k] for k in random.permutation(len(batches))]


def shared_out(batch: NDArray, work: NDArray, parts: int) -> list[NDArray]:
    """Split a batch into `parts` of nearly equal work.

    batch (B,) indices, work (B,) of each crystal, positive. The heaviest goes first, each to the
    part that has least so far. Every crystal is in one part; crystals of a part
    keep their order; a part is empty only where there are fewer crystals than parts.
    """
    load = np.zeros(parts)
    owner = np.empty(len(batch), dtype=np.int64)
    for k in np.argsort(-work, kind="stable"):
        owner[k] = load.argmin()
        load[owner[k]] += work[k]
    return [batch[owner == part] for part in range(parts)]


def _next_fit(order: NDArray, sizes: NDArray, limit: int) -> list[NDArray]:
    batches: list[list[int]] = []
    room = -1
    for k in order:
        if sizes[k] > room:
            batches.append([])
            room = limit
        batches[-1].append(int(k))
        room -= sizes[k]
    return [np.array(batch, dtype=np.int64) for batch in batches]


def _best_fit(order: NDArray, sizes: NDArray, limit: int, open_batches: int = 8) -> list[NDArray]:
    """Best fit over a few open batches: they are nearly full, and their order stays random."""
    done: list[list[int]] = []
    bins: list[list[int]] = []
    room: list[int] = []
    for k in order:
        size = int(sizes[k])
        fitting = [b for b in range(len(bins)) if size <= room[b]]
        if fitting:
            best = min(fitting, key=room.__getitem__)
        else:
            if len(bins) == open_batches:
                fullest = room.index(min(room))
                done.append(bins.pop(fullest))
                room.pop(fullest)
            bins.append([])
            room.append(limit)
            best = len(bins) - 1
        bins[best].append(int(k))
        room[best] -= size
    return [np.array(batch, dtype=np.int64) for batch in done + bins]
