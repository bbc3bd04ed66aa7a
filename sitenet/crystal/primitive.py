"""The primitive cell of a crystal, with exact symmetry."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import spglib
from numpy.typing import NDArray

from sitenet.crystal.lattice_reduction import hermite, minkowski
from sitenet.crystal.species import species_of
from sitenet.crystal.symmetry import (
    IDENTITY,
    SHRINK,
    SHRINKS,
    is_group,
    point_operations,
    site_maps,
)

Float = NDArray[np.float64]
Int = NDArray[np.int64]


@dataclass(frozen=True)
class PrimitiveCell:
    """P sites and the G symmetry operations that leave them invariant up to rounding.

    lattice (3, 3): rows in A. numbers (P,). frac (P, 3). oxidation (P,) in e.
    rotations (G, 3, 3): act on columns of fractional coordinates. images (G, P): the site that
    each operation maps site i to.
    """

    lattice: Float
    numbers: Int
    frac: Float
    oxidation: Float
    rotations: Int
    images: Int


def primitive_cell(
    lattice: Float, numbers: Int, frac: Float, oxidation: Float, tolerance: float
) -> PrimitiveCell:
    """Niggli-reduced primitive cell, symmetrised by the operations found within `tolerance`.

    The metric is replaced by the mean of W^T G W over the rotations W, and positions by the mean of
    their images under all operations. Distances that are equal by symmetry then agree to about
    1e-12 A, and the result does not depend on the origin, basis, orientation or site order of the
    input. Sites of one element with different oxidation states are distinct.

    Args:
        lattice: (3, 3) rows a, b, c in A.
        numbers: (n,) atomic numbers.
        frac: (n, 3) fractional positions.
        oxidation: (n,) oxidation states in e.
        tolerance: largest displacement of a site or strain of the cell, in A.
    """
    species = species_of(numbers, np.round(oxidation, 3))
    basis, positions, sites = _primitive_basis(lattice @ lattice.T, frac, species, tolerance)
    lattice = basis @ lattice
    change = _niggli(lattice)
    lattice, positions = change @ lattice, positions @ np.linalg.inv(change)

    metric = lattice @ lattice.T
    found = point_operations(metric, positions, species[sites], tolerance)
    symmetric = (found.rotations.transpose(0, 2, 1) @ metric @ found.rotations).mean(axis=0)
    strained = np.linalg.cholesky(symmetric) @ np.linalg.inv(np.linalg.cholesky(metric)) @ lattice

    missed = _wrapped(found.offsets - found.offsets[:, :1])
    missed -= missed.mean(axis=1, keepdims=True)
    moved = np.empty_like(missed)
    np.put_along_axis(moved, found.images[:, :, None], missed, axis=1)
    return PrimitiveCell(
        lattice=strained,
        numbers=np.asarray(numbers)[sites],
        frac=(positions - moved.mean(axis=0)) % 1.0,
        oxidation=np.asarray(oxidation, dtype=np.float64)[sites],
        rotations=found.rotations,
        images=found.images,
    )


def _primitive_basis(
    metric: Float, frac: Float, species: Int, tolerance: float
) -> tuple[Float, Float, Int]:
    """Basis (3, 3) of the primitive lattice in terms of the given one, positions, and site indices.

    Positions are averaged over the translations; sites (P,) is the first of each set of copies.
    """
    every = np.arange(len(frac))
    if np.gcd.reduce(np.bincount(species)) == 1:
        return np.eye(3), frac, every
    for _ in range(SHRINKS):
        found = site_maps(metric, frac, species, IDENTITY[None], tolerance)
        images = found.images
        # a translation is identified by the image of site 0
        if is_group(images[:, 0], images, partial(_sum_with, images)):
            break
        tolerance *= SHRINK
    else:
        return np.eye(3), frac, every
    copies = len(found.images)
    if copies == 1:
        return np.eye(3), frac, every
    steps = found.offsets[:, :1] + _wrapped(found.offsets - found.offsets[:, :1]).mean(
        axis=1, keepdims=True
    )
    steps = np.rint(copies * steps[:, 0]).astype(np.int64)
    change = hermite(np.vstack([steps, copies * IDENTITY])) / copies
    inside = frac @ np.linalg.inv(change)
    sites = np.unique(found.images.min(axis=0))
    apart = _wrapped(inside[found.images[:, sites]] - inside[sites])
    return change, inside[sites] + apart.mean(axis=0), sites


def _sum_with(images: Int, step: int) -> Int:
    """Image of site 0 under each translation after translation number `step`."""
    return images[:, images[step, 0]]


def _wrapped(difference: Float) -> Float:
    """Fractional differences wrapped into [-1/2, 1/2]."""
    return difference - np.rint(difference)


def _niggli(lattice: Float) -> Float:
    """Integer matrix of determinant +1 that transforms `lattice` to its Niggli-reduced basis."""
    try:
        reduced = spglib.niggli_reduce(lattice)
    except Exception:  # spglib 3 will raise where spglib 2 returns None
        reduced = None
    if reduced is None:
        return minkowski(lattice @ lattice.T).astype(np.float64)
    change = np.rint(reduced @ np.linalg.inv(lattice))
    return change * np.sign(np.linalg.det(change))
