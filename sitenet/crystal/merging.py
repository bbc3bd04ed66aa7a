"""Merging of equivalent sites into site classes, and of equal pairs into merged pairs.

Two sites whose rows hold the same multiset of (site class of the neighbour, distance) have equal
features in every layer of the model. Neighbours of one class at one distance have equal attention.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sitenet.crystal.species import species_of
from sitenet.crystal.symmetry import chained

Float = NDArray[np.float64]
Int = NDArray[np.int64]

PROBES = 16
"""Columns of sorted distances by which rows are told apart first."""


@dataclass(frozen=True)
class MergedPairs:
    """R site classes (rows) and E merged pairs, grouped by row.

    site_class (P,): class of each site, numbered by first appearance. row_length (R,): merged pairs
    of each class. pair_class (E,): class of the neighbour. pair_distance (E,) in A. pair_count
    (E,): number of supercell atoms merged into the pair; the counts of a row sum to P K.
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
    kinds: Int | None = None,
) -> MergedPairs:
    """Merge the equivalent sites and equal pairs of one crystal.

    Initial classes are given by (atomic number, oxidation state, kind); they are split by the
    multiset of (class_j, d) of each row until they no longer change. Sorted rows are compared
    element by element with the first row of their class, so that distances of a class differ by at
    most `tolerance`, and distances merged into a pair are within `tolerance` of their mean. In
    total, no distance changes by more than 2 x `tolerance`. The zero distance of a site to itself
    is never merged, as no two atoms are that close.

    Args:
        numbers: (P,) atomic numbers.
        oxidation: (P,) oxidation states in e.
        distances: (Q, P K) in A; atom j belongs to site j // K.
        images: K.
        tolerance: in A.
        orbits: (P,) row of `distances` that applies to each site; None: row q is site q.
        kinds: (P,) what else tells sites apart, as a number from 0; None: nothing.
    """
    every = np.arange(len(numbers))
    orbits = every if orbits is None else orbits
    firsts = np.empty(len(distances), dtype=np.int64)
    firsts[orbits[::-1]] = every[::-1]
    labels = species_of(numbers[firsts], oxidation[firsts])
    if kinds is not None:
        both = labels * (kinds.max() + 1) + kinds[firsts]
        labels = np.unique(both, return_inverse=True)[1]
    row_class = _refine(labels, orbits, distances, images, tolerance)
    numbered: dict[int, int] = {}
    rows: list[int] = []
    for own, row in zip(row_class[orbits].tolist(), orbits.tolist(), strict=True):
        if numbered.setdefault(own, len(numbered)) == len(rows):
            rows.append(row)
    site_class = np.array([numbered[own] for own in row_class.tolist()])[orbits]
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
    classes, count = row_label, 0
    while count < (found := int(classes.max()) + 1) < len(classes):
        classes = _split(classes, distances, np.repeat(classes[orbits], images), tolerance)
        count = found
    return classes


def _split(classes: Int, distances: Float, columns: Int, tolerance: float) -> Int:
    """One iteration: sites of a class stay together if their sorted rows agree.

    Equal rows have equal sums of distances over every class. Rows with different sums need no
    sorting, which decides nearly all of them.
    """
    atoms = len(columns)
    weights = np.cos(1.0 + np.arange(classes.max() + 1))
    sums = distances @ weights[columns]
    order = np.lexsort((sums, classes))
    ordered, sums = classes[order], sums[order]
    steps = (ordered[1:] > ordered[:-1]) | (sums[1:] - sums[:-1] > atoms * tolerance)
    ends = [*(np.flatnonzero(steps) + 1).tolist(), len(order)]
    result = np.empty_like(classes)
    used = start = 0
    for end in ends:
        group = order[start:end]
        start = end
        if len(group) == 1:
            result[group[0]], used = used, used + 1
            continue
        rows = _keys(distances[group], columns, distances.max())
        first = _first_equal(rows, tolerance)
        numbers = np.cumsum(first == np.arange(len(group))) - 1
        result[group] = used + numbers[first]
        used += int(numbers[-1]) + 1
    return result


def _first_equal(rows: Float, tolerance: float) -> Int:
    """For each of the sorted rows (g, A): the first row that it equals, among those that equal no
    row before them.

    Rows that differ in one of some columns are not compared in full: of large crystals without
    symmetry hardly any have close neighbours there.
    """
    columns = np.unique(np.linspace(0, rows.shape[1] - 1, PROBES).astype(np.int64))
    first = np.empty(len(rows), dtype=np.int64)
    for part in chained([rows[:, k] for k in columns], tolerance):
        while len(part):
            same = (abs(rows[part] - rows[part[0]]) <= tolerance).all(axis=1)
            first[part[same]] = part[0]
            part = part[~same]
    return first


def _keys(distances: Float, columns: Int, longest: float) -> Float:
    """Sorted keys class x step + distance of each row, where step is a power of two > 2 d."""
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
        # a chain of close distances is divided into pieces as wide as the tolerance
        piece = ((keys - np.repeat(keys[first], count)) / tolerance).astype(np.int64)
        fresh[1:] |= np.diff(piece) != 0
        first = np.flatnonzero(fresh)
        count = np.diff(first, append=len(keys))
    pair_class = (keys[first] / step).astype(np.int64)
    mean = np.add.reduceat(keys - np.repeat(pair_class * step, count), first) / count
    row_length = fresh.reshape(distances.shape).sum(axis=1)
    return row_length, pair_class, mean, count
