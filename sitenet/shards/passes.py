"""A pass over crystals, which need not be in memory together: windows, and the batches of each."""

from collections.abc import Iterator

import torch
from numpy.typing import NDArray

from sitenet.shards.open_store import BothTables, Store
from sitenet.shards.packing import pack
from sitenet.shards.store import Window

Tables = Store | BothTables
"""What crystals are taken from."""

Plan = list[tuple[Window, list[NDArray]]]
"""What is in memory together, and its batches as positions in the crystals of the pass."""

PAIRS_AT_ONCE = 2**15
"""Merged pairs of batches that are made at once: some MB."""


def pair_limit(store: Tables, crystals: NDArray, batch_sites: int) -> int:
    """Most merged pairs of a batch that has, on average, `batch_sites` unique sites of `crystals`.

    `crystals` (n,) are indices into the store. Time and memory of a batch follow its pairs.
    """
    chosen = torch.from_numpy(crystals)
    pairs, sites = int(store.pairs[chosen].sum()), int(store.sites[chosen].sum())
    return max(1, round(batch_sites * pairs / max(1, sites)))


def plan_pass(store: Tables, crystals: NDArray, limit: int, seed: tuple[int, ...] | None) -> Plan:
    """Windows and batches of at most `limit` merged pairs that have each of `crystals` (n,) once.

    With a seed everything is shuffled; without, the crystals keep their order. A crystal above the
    limit is a batch of its own.
    """
    pairs = store.pairs.numpy()[crystals]
    plan = []
    for number, window in enumerate(store.windows(crystals, seed)):
        packed = pack(pairs[window.members], limit, seed and (*seed, number))
        plan.append((window, [window.members[batch] for batch in packed]))
    return plan


def planned_batches(store: Tables, plan: Plan) -> Iterator[NDArray]:
    """The batches of a plan in turn, each while its window is in memory."""
    for batches in _windows(store, plan):
        yield from batches


def planned_groups(store: Tables, plan: Plan, pairs: NDArray) -> Iterator[list[NDArray]]:
    """The same, several at a time that can be made at once (see `CrystalStore.batches`).

    `pairs` (n,) are the merged pairs of the crystals of the pass.
    """
    for batches in _windows(store, plan):
        group: list[NDArray] = []
        room = PAIRS_AT_ONCE
        for batch in batches:
            work = int(pairs[batch].sum())
            if group and work > room:
                yield group
                group, room = [], PAIRS_AT_ONCE
            group.append(batch)
            room -= work
        if group:
            yield group


def _windows(store: Tables, plan: Plan) -> Iterator[list[NDArray]]:
    """The batches of each window, while it is in memory."""
    for number, (window, batches) in enumerate(plan):
        upcoming = plan[number + 1][0].groups if number + 1 < len(plan) else ()
        store.hold(window.groups, upcoming)
        yield batches
