"""Identical sites and identical pairs of a supercell, each kept once.

Two sites whose rows hold the same multiset of (class of neighbour, distance) have equal features
in every layer of the model, and two neighbours of one class at one distance have equal attention.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Int = NDArray[np.int64]


@dataclass(frozen=True)
class MergedPairs:
    """R site classes and E merged pairs, grouped by row.

    site_class (P,) class of each site, numbered by first appearance; row_length (R,) pairs of each
    class; pair_class (E,) class of the neighbour; pair_distance (E,) in A; pair_count (E,)
    supercell atoms merged into the pair: the counts of a row sum to P K.
    """

    site_class: Int
    row_length: Int
    pair_class: Int
    pair_distance: Float
    pair_count: Int


def merge_pairs(
    numbers: Int,
    oxidation: Float,
    distances: Float,
    images: int,
    tolerance: float,
    orbits: Int | None = None,
) -> MergedPairs:
    """Merge equal sites and equal pairs of one crystal.

    Classes start as (atomic number, oxidation state) and are split by the multiset of
    (class_j, d) of each row until nothing changes. Rows are compared element by element after
    sorting, with the first row of their class, so that a class is never wider than `tolerance`;
    the distances merged into a pair are within `tolerance` of their mean. Together: no distance
    moves by more than 2 x `tolerance`. A site's own zero distance stays alone, since no atoms are
    that close.

    Args:
        numbers: (P,); oxidation: (P,) in e.
        distances: (Q, P K) in A, atom j belonging to site j // K.
        images: K.
        tolerance: in A.
        orbits: (P,) the row of `distances` that holds for each site; row q = site q if None.
    """
    labels = np.unique(np.column_stack([numbers, oxidation]), axis=0, return_inverse=True)[1]
    orbits = np.arange(len(numbers)) if orbits is None else orbits
    firsts = np.unique(orbits, return_index=True)[1]
    row_class = _refine(labels.ravel()[firsts], orbits, distances, images, tolerance)
    _, first, number = np.unique(row_class[orbits], return_index=True, return_inverse=True)
    site_class = np.argsort(np.argsort(first))[number]
    rows = orbits[np.sort(first)]
    return MergedPairs(site_class, *_merge_rows(distances[rows], site_class, images, tolerance))


def sites_apart(distances: Float, images: int, tolerance: float) -> MergedPairs:
    """Every site a class of its own; only pairs with images of the same neighbour are merged.

    For crystals whose sites get other elements later, for which the classes of `merge_pairs` would
    not hold. Arguments as for `merge_pairs`, with all P rows of `distances`.
    """
    sites = np.arange(len(distances))
    return MergedPairs(sites, *_merge_rows(distances, sites, images, tolerance))


def unmerged(numbers: Int, oxidation: Float, distances: Float, images: int) -> MergedPairs:
    """`MergedPairs` with nothing merged: every site is a class, every supercell atom a pair."""
    sites = np.arange(len(numbers))
    return MergedPairs(
        site_class=sites,
        row_length=np.full(len(sites), distances.shape[1]),
        pair_class=np.tile(np.repeat(sites, images), len(sites)),
        pair_distance=distances.ravel(),
        pair_count=np.ones(distances.size, dtype=np.int64),
    )


def _refine(row_label: Int, orbits: Int, distances: Float, images: int, tolerance: float) -> Int:
    """Class (Q,) of each row: the coarsest stable split of the labels."""
    classes = np.unique(row_label, return_inverse=True)[1].ravel()
    count = 0
    while classes.max() + 1 > count and count < len(classes):
        count = int(classes.max()) + 1
        classes = _split(classes, distances, np.repeat(classes[orbits], images), tolerance)
    return classes


def _split(classes: Int, distances: Float, columns: Int, tolerance: float) -> Int:
    """One round: rows of a class stay together if their sorted rows agree.

    Equal rows have equal sums of distances over every class, so rows whose sums differ need no
    sorting; that settles nearly all of them.
    """
    atoms = len(columns)
    weights = np.cos(1.0 + np.arange(classes.max() + 1))
    sums = distances @ weights[columns]
    order = np.lexsort((sums, classes))
    steps = (np.diff(classes[order]) > 0) | (np.diff(sums[order]) > atoms * tolerance)
    groups = np.split(order, np.flatnonzero(steps) + 1)
    result = np.empty_like(classes)
    used = 0
    for group in groups:
        while len(group) > 1:
            rows = _keys(distances[group], columns, distances.max())
            same = (abs(rows - rows[0]) <= tolerance).all(axis=1)
            result[group[same]], used = used, used + 1
            group = group[~same]
        if len(group):
            result[group[0]], used = used, used + 1
    return result


def _keys(distances: Float, columns: Int, longest: float) -> Float:
    """Rows sorted by class, then distance: class x step + distance, step a power of two > 2 d."""
    return np.sort(distances + columns * _step(longest), axis=1)


def _step(longest: float) -> float:
    return float(2.0 ** np.ceil(np.log2(2 * longest + 2)))


def _merge_rows(
    distances: Float, site_class: Int, images: int, tolerance: float
) -> tuple[Int, Int, Float, Int]:
    """row_length, pair_class, pair_distance, pair_count of `MergedPairs` for the rows (R, P K)."""
    longest = distances.max()
    step = _step(longest)
    keys = _keys(distances, np.repeat(site_class, images), longest)
    starts = np.ones(keys.shape, dtype=np.bool_)
    starts[:, 1:] = np.diff(keys, axis=1) > tolerance
    fresh, keys = starts.ravel(), keys.ravel()
    first = np.flatnonzero(fresh)
    count = np.diff(first, append=len(keys))
    if (keys[first + count - 1] - keys[first] > tolerance).any():
        # a chain of near distances: cut it into pieces of the tolerance's width
        piece = ((keys - np.repeat(keys[first], count)) / tolerance).astype(np.int64)
        fresh[1:] |= np.diff(piece) != 0
        first = np.flatnonzero(fresh)
        count = np.diff(first, append=len(keys))
    pair_class = (keys[first] / step).astype(np.int64)
    mean = np.add.reduceat(keys - np.repeat(pair_class * step, count), first) / count
    row_length = fresh.reshape(distances.shape).sum(axis=1)
    return row_length, pair_class, mean, count
