"""Random draws of whole groups of crystals."""

from collections import Counter
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


def share_of(share: float, count: int) -> int:
    """Number of crystals in `share` of `count`, at least one."""
    return max(1, round(share * count))


def drawn_groups(groups: Array, share: float, rng: np.random.Generator) -> Array:
    """Mask (n,) of randomly drawn whole groups that together fit into `share` of the members.

    `groups` (n,) names the group of each member.
    """
    sizes = Counter(groups.tolist())
    names = sorted(sizes)
    room, chosen = share_of(share, len(groups)), set()
    for k in rng.permutation(len(names)):
        if sizes[names[k]] <= room:
            room -= sizes[names[k]]
            chosen.add(names[k])
    return np.array([group in chosen for group in groups], dtype=bool)


def folds_of_groups(groups: Array, number: int, rng: np.random.Generator) -> Array:
    """Fold (n,) of each member: groups in random order, the largest first, each to the least full.

    Groups of one size stay in random order.
    """
    sizes = Counter(groups.tolist())
    names = sorted(sizes)
    order = sorted(rng.permutation(len(names)), key=lambda k: -sizes[names[k]])
    filled, fold = [0] * number, {}
    for k in order:
        fold[names[k]] = filled.index(min(filled))
        filled[fold[names[k]]] += sizes[names[k]]
    return np.array([fold[group] for group in groups.tolist()], dtype=int)
