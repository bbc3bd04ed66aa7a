"""Symmetry operations of a crystal, independent of how the crystal is described.

spglib finds the same operations (the tests compare them), but it also determines the space-group
type, which takes 30 ms for a face-centred cubic cell of four atoms (3 ms on average over Materials
Project crystals). Only the operations are needed here.
"""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Int = NDArray[np.int64]

UNIT_VECTORS = np.array(
    [v for v in itertools.product((-1, 0, 1), repeat=3) if any(v)], dtype=np.int64
)
"""(26, 3): possible images of a basis vector of a reduced cell under a symmetry."""

IDENTITY = np.eye(3, dtype=np.int64)
BLOCK = 16384
"""Number of differences processed at a time, so that temporary arrays fit the cache."""

SHRINK = 0.7
"""Factor by which the tolerance is reduced if the operations do not form a group."""


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
    size = np.linalg.det(metric) ** (1 / 6)
    loose = 4 * tolerance / size * metric.diagonal() + tolerance**2
    dots = UNIT_VECTORS @ metric @ UNIT_VECTORS.T
    norms = dots.diagonal()
    a, b, c = (np.flatnonzero(abs(norms - metric[i, i]) <= loose[i]) for i in range(3))
    slack = np.sqrt(np.outer(loose, loose))

    first, second = np.nonzero(abs(dots[np.ix_(a, b)] - metric[0, 1]) <= slack[0, 1])
    fits = abs(dots[np.ix_(a, c)] - metric[0, 2])[first] <= slack[0, 2]
    fits &= abs(dots[np.ix_(b, c)] - metric[1, 2])[second] <= slack[1, 2]
    pair, third = np.nonzero(fits)
    chosen = np.stack([a[first[pair]], b[second[pair]], c[third]], axis=1)
    rotations = UNIT_VECTORS[chosen].transpose(0, 2, 1)

    to_cartesian = np.linalg.inv(np.linalg.cholesky(metric))
    images = rotations.transpose(0, 2, 1) @ metric @ rotations
    strain = to_cartesian @ images @ to_cartesian.T - IDENTITY
    kept = np.sqrt((strain**2).sum(axis=(1, 2))) / 2 * size <= tolerance
    return rotations[kept & (abs(np.linalg.det(rotations)) > 0.5)]


def site_maps(
    metric: Float, frac: Float, species: Int, rotations: Int, tolerance: float
) -> Operations:
    """All operations with one of the given rotations that map the sites onto themselves.

    An operation is accepted if no site is mapped further than `tolerance` (A) from its image site,
    for the translation with the smallest mean deviation. This rule has no special site or origin.

    Args:
        metric: (3, 3) dot products of the basis vectors in A^2.
        frac: (P, 3) fractional positions.
        species: (P,) labels; only sites with equal labels are mapped to each other.
        rotations: (m, 3, 3).
        tolerance: in A.
    """
    kinds, counts = np.unique(species, return_counts=True)
    members = [np.flatnonzero(species == kinds[k]) for k in np.argsort(counts, kind="stable")]
    anchor = members[0]
    turned = frac @ rotations.transpose(0, 2, 1)
    shifts = (frac[anchor][None] - turned[:, anchor[:1]]).reshape(-1, 3)
    rotation = np.repeat(np.arange(len(rotations)), len(anchor))
    images = np.empty((len(shifts), len(frac)), dtype=np.int64)
    reach = (2 * tolerance) ** 2

    for sites in members:  # testing one site of each species rejects nearly all wrong shifts
        landed = turned[rotation, sites[-1]] + shifts
        kept = _nearest(metric, landed[:, None], frac[sites])[1][:, 0] <= reach
        rotation, shifts, images = rotation[kept], shifts[kept], images[kept]
    for sites in members:
        landed = turned[rotation[:, None], sites] + shifts[:, None]
        nearest, square = _nearest(metric, landed, frac[sites])
        images[:, sites] = sites[nearest]
        kept = square.max(axis=1) <= reach
        rotation, shifts, images = rotation[kept], shifts[kept], images[kept]

    offsets = frac[images] - turned[rotation]
    residual = offsets - shifts[:, None]
    residual -= np.rint(residual)
    residual -= residual.mean(axis=1, keepdims=True)
    worst = ((residual @ metric) * residual).sum(axis=2).max(axis=1)
    onto = (np.sort(images, axis=1) == np.arange(len(frac))).all(axis=1)
    kept = (worst <= tolerance**2) & onto
    return Operations(rotations[rotation[kept]], images[kept], offsets[kept])


def point_operations(metric: Float, frac: Float, species: Int, tolerance: float) -> Operations:
    """The operations of a primitive reduced cell, one for each rotation, which form a group.

    If the operations found within `tolerance` (A) do not form a group, the crystal is close to a
    higher symmetry that it does not have. The tolerance is then reduced until they do.
    """
    while True:
        rotations = lattice_rotations(metric, tolerance)
        found = site_maps(metric, frac, species, rotations, tolerance)
        products = _codes(found.rotations[:, None] @ found.rotations)
        if is_group(_codes(found.rotations), products, found.images):
            return found
        tolerance *= SHRINK


def is_group(names: Int, products: Int, images: Int) -> bool:
    """Whether operations form a group that permutes the sites.

    Args:
        names: (G,) number that identifies each operation.
        products: (G, G) number of operation a after operation b.
        images: (G, P) site that each operation maps site i to.
    """
    order = np.argsort(names)
    found = np.minimum(np.searchsorted(names[order], products), len(names) - 1)
    both = order[found]
    distinct = len(np.unique(names)) == len(names)
    closed = bool((names[both] == products).all())
    return distinct and closed and bool((images[both] == images[:, images]).all())


def _codes(matrices: Int) -> Int:
    """A unique integer for each matrix (..., 3, 3) with small components."""
    return matrices.reshape(*matrices.shape[:-2], 9) @ (7 ** np.arange(9))


def _nearest(metric: Float, landed: Float, sites: Float) -> tuple[Int, Float]:
    """Nearest of `sites` (s, 3) to each position (m, q, 3): index and squared distance (m, q).

    Valid for distances far below the size of the cell, as the nearest image is determined for each
    component separately.
    """
    flat = landed.reshape(-1, 3)
    nearest, square = np.empty(len(flat), dtype=np.int64), np.empty(len(flat))
    chunk = max(1, BLOCK // len(sites))
    for start in range(0, len(flat), chunk):
        block = slice(start, start + chunk)
        apart = flat[block, None] - sites
        apart -= np.rint(apart)
        squares = ((apart @ metric) * apart).sum(axis=-1)
        nearest[block], square[block] = squares.argmin(axis=1), squares.min(axis=1)
    return nearest.reshape(landed.shape[:2]), square.reshape(landed.shape[:2])
