"""Symmetry operations of a crystal, independent of how the crystal is described.

spglib finds the same operations (the tests compare them), but it also determines the space-group
type, which takes 30 ms for a face-centred cubic cell of four atoms (3 ms on average over Materials
Project crystals). Only the operations are needed here.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sitenet.crystal.distances import atom_distances
from sitenet.crystal.lattice_reduction import determinants
from sitenet.crystal.site_lookup import SiteLookup

Float = NDArray[np.float64]
Int = NDArray[np.int64]

UNIT_VECTORS = np.array(
    [v for v in itertools.product((-1, 0, 1), repeat=3) if any(v)], dtype=np.int64
)
"""(26, 3): possible images of a basis vector of a reduced cell under a symmetry."""

_UNIT = UNIT_VECTORS.astype(np.float64)
IDENTITY = np.eye(3, dtype=np.int64)
_POWERS = 7 ** np.arange(9)
AT_ONCE = 2**20
"""Number of sites mapped at a time, to limit memory."""

AT_FIRST = 200
"""Number of sites mapped at once when operations are first tried."""

LARGE = 64
"""Sites of a crystal above which every sixteenth of them is tried before the others."""

MANY = 5_000_000
"""Number of sites to be mapped above which those that can be images of one another are sought."""

FIRST = (6, 12, 24, 48, 96)
"""Numbers of nearest sites whose mean distances tell sites apart."""

SHRINK = 0.7
"""Factor by which the tolerance is reduced if the operations do not form a group."""

SHRINKS = 40
"""Times that it is; 1e-6 of the tolerance is left then, and no symmetry."""


@dataclass(frozen=True)
class Operations:
    """G operations x -> W x + w of a crystal of P sites.

    rotations (G, 3, 3): W, acting on columns of fractional coordinates. images (G, P): the site
    that site i is mapped to. offsets (G, P, 3): x[images] - W x, equal for all i up to lattice
    translations and noise.
    """

    rotations: Int
    images: Int
    offsets: Float


def lattice_rotations(metric: Float, tolerance: float) -> Int:
    """Integer matrices W (m, 3, 3) that map a reduced lattice onto itself.

    The strain between the lattice and its image, times the cube root of the cell's volume, is at
    most `tolerance` (A). This measure does not depend on the basis.

    Args:
        metric: (3, 3) dot products of the vectors of a reduced basis in A^2. Symmetries of such a
            basis have components -1, 0, 1 only (Grosse-Kunstleve et al. 2004,
            doi:10.1107/S010876730302186X).
        tolerance: in A.
    """
    size = float(np.linalg.det(metric)) ** (1 / 6)
    loose = 4 * tolerance / size * metric.diagonal() + tolerance**2
    dots = _UNIT @ metric @ _UNIT.T
    fits = abs(dots.diagonal()[:, None] - metric.diagonal()) <= loose
    a, b, c = (np.flatnonzero(fits[:, i]) for i in range(3))
    slack = np.sqrt(loose[:, None] * loose)

    first, second = np.nonzero(abs(dots[a[:, None], b] - metric[0, 1]) <= slack[0, 1])
    fits = (abs(dots[a[:, None], c] - metric[0, 2]) <= slack[0, 2])[first]
    fits &= (abs(dots[b[:, None], c] - metric[1, 2]) <= slack[1, 2])[second]
    pair, third = np.nonzero(fits)
    chosen = np.stack([a[first[pair]], b[second[pair]], c[third]], axis=1)
    vectors = _UNIT[chosen]  # rows: the images of the basis vectors

    to_cartesian = np.linalg.inv(np.linalg.cholesky(metric))
    strain = to_cartesian @ (vectors @ metric @ vectors.transpose(0, 2, 1)) @ to_cartesian.T
    strain -= IDENTITY
    kept = np.sqrt((strain**2).sum(axis=(1, 2))) / 2 * size <= tolerance
    rotations = UNIT_VECTORS[chosen[kept]].transpose(0, 2, 1)
    return rotations[determinants(rotations) != 0]


def site_maps(
    metric: Float, frac: Float, species: Int, rotations: Int, tolerance: float
) -> Operations:
    """All operations with one of the given rotations that map the sites onto themselves.

    An operation is accepted if no site is mapped further than `tolerance` (A) from its image site,
    for the translation with the smallest mean deviation. This rule has no special site or origin.

    Args:
        metric: (3, 3) dot products of the basis vectors in A^2.
        frac: (P, 3) fractional positions.
        species: (P,) labels 0, 1, ...; only sites with equal labels are mapped to each other.
        rotations: (m, 3, 3).
        tolerance: in A.
    """
    turned = frac @ rotations.transpose(0, 2, 1)
    lookup = SiteLookup(metric, frac, species, 2 * tolerance)
    kinds = np.argsort(np.bincount(species), kind="stable")
    rarest = anchor = np.flatnonzero(species == kinds[0])
    if len(rotations) * len(anchor) * len(frac) > MANY:
        anchor = _smallest_class(metric, frac, species, kinds, tolerance)
    last = np.zeros(len(kinds), dtype=np.int64)
    np.maximum.at(last, species, np.arange(len(frac)))
    candidates = _candidates(frac, turned, last[kinds], lookup, anchor, tolerance)
    if len(candidates[0]) == len(rotations) == 1 and np.array_equal(rotations[0], IDENTITY):
        return Operations(rotations, np.arange(len(frac))[None], np.zeros((1, len(frac), 3)))
    found = [
        _maps(metric, frac, turned, lookup, *block, tolerance)
        for block in _blocks(candidates, max(1, AT_ONCE // len(frac)))
    ]
    rotation, images, offsets = (
        found[0] if len(found) == 1 else map(np.concatenate, zip(*found, strict=True))
    )
    if anchor is not rarest:
        rank = np.empty(len(frac), dtype=np.int64)
        rank[rarest] = np.arange(len(rarest))
        order = np.lexsort((rank[images[:, rarest[0]]], rotation))
        rotation, images, offsets = rotation[order], images[order], offsets[order]
    return Operations(rotations[rotation], images, offsets)


def _candidates(
    frac: Float, turned: Float, last: Int, lookup: SiteLookup, anchor: Int, tolerance: float
) -> tuple[Int, Float]:
    """Rotation (m,) and shift (m, 3) of all operations that map a site of `anchor` to another one
    of them, and one site of each species to a site. That rejects nearly all wrong ones.

    `last`: a site of each species. Where there are many, that of the rarest, which is the first,
    is tried by itself; of large crystals some further sites are.
    """
    shifts = (frac[anchor] - turned[:, anchor[:1]]).reshape(-1, 3)
    rotation = np.repeat(np.arange(len(turned)), len(anchor))
    few = len(last) == 1 or len(rotation) * len(last) <= AT_FIRST
    steps = [last] if few else [last[:1], last[1:]]
    if len(frac) > LARGE:
        steps.append(np.arange(0, len(frac), LARGE // 4))
    for sites in steps:
        landed = turned[rotation[:, None], sites] + shifts[:, None]
        kept = (lookup.nearest(landed, sites)[1] <= (2 * tolerance) ** 2).all(axis=1)
        rotation, shifts = rotation[kept], shifts[kept]
    return rotation, shifts


def _blocks(candidates: tuple[Int, Float], size: int) -> Iterator[tuple[Int, Float]]:
    """The candidates, at most `size` at a time; at least one block."""
    rotation, shifts = candidates
    for start in range(0, max(len(rotation), 1), size):
        yield rotation[start : start + size], shifts[start : start + size]


def _maps(
    metric: Float,
    frac: Float,
    turned: Float,
    lookup: SiteLookup,
    rotation: Int,
    shifts: Float,
    tolerance: float,
) -> tuple[Int, Int, Float]:
    """Rotation, images and offsets of the candidates that map all sites onto sites."""
    every = np.arange(len(frac))
    landed = turned[rotation] + shifts[:, None]
    images, square = lookup.nearest(landed, every)
    kept = (square <= (2 * tolerance) ** 2).all(axis=1)
    kept &= (np.sort(images, axis=1) == every).all(axis=1)
    rotation, shifts, images = rotation[kept], shifts[kept], images[kept]
    offsets = frac[images] - turned[rotation]
    residual = offsets - shifts[:, None]
    residual -= np.rint(residual)
    residual -= residual.mean(axis=1, keepdims=True)
    flat = residual.reshape(-1, 3)
    squares = np.einsum("ij,ij->i", flat @ metric, flat).reshape(images.shape)
    kept = squares.max(axis=1) <= tolerance**2
    return rotation[kept], images[kept], offsets[kept]


def _smallest_class(metric: Float, frac: Float, species: Int, kinds: Int, tolerance: float) -> Int:
    """The fewest sites that can be images of one another, by their distances to other sites.

    An operation moves each site by at most `tolerance` and strains the cell by as much, which
    bounds the change of the k-th distance, and so that of the mean of the first k.
    """
    lattice: Float = np.linalg.cholesky(metric).astype(np.float64)
    widest = np.sqrt(metric.trace())  # no distance between nearest images is longer
    loose = 2 * tolerance * (1 + widest / np.linalg.det(lattice) ** (1 / 3))
    distances = atom_distances(lattice, frac, IDENTITY)
    members = [np.flatnonzero(species == kind) for kind in kinds]
    smallest = members[0]
    for sites in members:
        rows = np.sort(distances[sites], axis=1)
        means = [rows[:, :k].mean(axis=1) for k in FIRST if k < len(frac)]
        for group in chained(means, loose):
            if len(group) < len(smallest):
                smallest = sites[group]
    return smallest


def chained(values: Sequence[Float], slack: float) -> list[Int]:
    """Groups of indices such that values (n,) of different groups differ by more than `slack`.

    Each list of values divides the groups that are left by those before it.
    """
    groups = [np.arange(len(values[0]))] if values else []
    for value in values:
        divided = []
        for group in groups:
            order = group[np.argsort(value[group], kind="stable")]
            steps = np.flatnonzero(np.diff(value[order]) > slack) + 1
            divided += [np.sort(part) for part in np.split(order, steps)]
        groups = divided
    return groups


def point_operations(metric: Float, frac: Float, species: Int, tolerance: float) -> Operations:
    """The operations of a primitive reduced cell, one for each rotation, which form a group.

    If the operations found within `tolerance` (A) do not form a group, the crystal is close to a
    higher symmetry that it does not have. The tolerance is then reduced until they do.
    """
    for _ in range(SHRINKS):
        rotations = lattice_rotations(metric, tolerance)
        found = site_maps(metric, frac, species, rotations, tolerance)
        if is_group(_codes(found.rotations), found.images, _product_of(found.rotations)):
            return found
        tolerance *= SHRINK
    return Operations(IDENTITY[None], np.arange(len(frac))[None], np.zeros((1, len(frac), 3)))


def is_group(names: Int, images: Int, product: Callable[[int], Int]) -> bool:
    """Whether operations form a group that permutes the sites.

    It suffices to multiply all operations by a few of them that generate the others: G operations
    of P sites cost O(G P log G).

    Args:
        names: (G,) number that identifies each operation.
        images: (G, P) site that each operation maps site i to.
        product: the number (G,) of each operation after operation b, for a given b.
    """
    order = np.argsort(names)
    ranked = names[order]
    if not len(names) or (ranked[1:] == ranked[:-1]).any():
        return False
    steps: list[list[int]] = []
    reached: set[int] = set()
    for generator in range(len(names)):
        if generator in reached:
            continue
        products = product(generator)
        index = order[np.minimum(np.searchsorted(ranked, products), len(names) - 1)]
        if (names[index] != products).any():
            return False
        if (images[index] != images[:, images[generator]]).any():
            return False
        steps.append(index.tolist())
        reached.add(generator)
        fresh = set(reached)
        while fresh:  # all products of the generators
            fresh = {index[k] for index in steps for k in fresh} - reached
            reached |= fresh
    return True


def _product_of(rotations: Int) -> Callable[[int], Int]:
    return lambda b: _codes(rotations @ rotations[b])


def _codes(matrices: Int) -> Int:
    """A unique integer for each matrix (..., 3, 3) with small components."""
    return matrices.reshape(*matrices.shape[:-2], 9) @ _POWERS
