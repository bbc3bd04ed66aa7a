"""Neighbours in a periodic crystal: pairs within a radius, and the mean nearest distance."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def integer_grid(reach: NDArray[np.int64]) -> Array:
    """All integer triples with |component k| <= reach[k]: (images, 3)."""
    axes = [np.arange(-n, n + 1, dtype=np.float64) for n in reach]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)


def contacts(
    lattice: Array, frac: Array, radius: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
    """All ordered pairs of atoms closer than `radius`, periodic images included.

    Args:
        lattice: (3, 3) rows a, b, c in A.
        frac: (n, 3) fractional positions.
        radius: in A.

    Returns:
        first (m,) and second (m,), indices of the atoms, and distance (m,) in A. Atoms are paired
        with their own images, but not with themselves.
    """
    spacing = 1.0 / np.linalg.norm(np.linalg.inv(lattice), axis=0)
    shift = frac[None, :, :] - frac[:, None, :]
    shift -= np.round(shift)
    apart = shift @ lattice
    cells = integer_grid(np.ceil(radius / spacing + 0.5).astype(np.int64)) @ lattice
    farthest = radius + np.sqrt((apart**2).sum(axis=-1).max())
    cells = cells[(cells**2).sum(axis=1) < 1.001 * farthest**2]
    square = np.zeros((len(frac), len(frac), len(cells)))
    for axis in range(3):
        along = apart[:, :, axis, None] + cells[:, axis]
        along *= along
        square += along
    itself = np.arange(len(frac))
    square[itself, itself, len(cells) // 2] = np.inf
    first, second, image = np.nonzero(square < radius**2)
    return first, second, np.sqrt(square[first, second, image])


def nearest_distance(lattice: Array, frac: Array) -> float:
    """Distance to the nearest neighbour in A, averaged over the atoms.

    Args:
        lattice: (3, 3) rows a, b, c in A.
        frac: (n, 3) fractional positions.
    """
    radius = 2.0 * (abs(np.linalg.det(lattice)) / len(frac)) ** (1 / 3)
    nearest = np.full(len(frac), np.inf)
    while np.isinf(nearest).any():
        first, _, distance = contacts(lattice, frac, radius)
        np.minimum.at(nearest, first, distance)
        radius *= 1.5
    return float(nearest.mean())
