"""Detection of overlapping atoms in a periodic crystal."""

from itertools import product
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

_PAIRS = 500_000  # pairs compared at a time, to limit memory


def heights(lattice: Array) -> Array:
    """Distances in A between opposite faces of the cell, (3,); zeros for a cell without volume.

    Args:
        lattice: (3, 3) rows a, b, c in A.
    """
    a, b, c = lattice
    faces = np.array([_cross(b, c), _cross(c, a), _cross(a, b)])
    area = np.sqrt((faces * faces).sum(axis=1))
    return np.abs(faces[0] @ a) / np.maximum(area, np.finfo(float).tiny)


def overlapping_pair(
    lattice: Array, frac: Array, height: Array, limit: float
) -> tuple[int, int, float] | None:
    """Indices of two atoms closer than `limit`, periodic images included, and their distance in A.

    The indices are equal if an atom is too close to its own image. None if there is no such pair.

    Args:
        lattice: (3, 3) rows a, b, c in A, of non-zero volume.
        frac: (n, 3) fractional positions.
        height: (3,) `heights(lattice)`.
        limit: in A.
    """
    reach = limit / height
    if reach.max() >= 0.5:
        lattice, frac = _reduced(lattice, frac)
        reach = limit / heights(lattice)
        shortest = np.sqrt((lattice * lattice).sum(axis=1)).min()
        if shortest < limit:
            return 0, 0, float(shortest)
    if len(frac) < 2:
        return None
    # |delta_k + integer| <= distance / height_k, so a close pair is close in every fraction.
    spans = [range(-int(r + 0.5), int(r + 0.5) + 1) for r in reach]
    images = list(product(*spans))
    rows = max(1, _PAIRS // len(frac))
    for start in range(0, len(frac), rows):
        delta = frac[None, :, :] - frac[start : start + rows, None, :]
        delta -= np.rint(delta)
        later = np.arange(len(frac)) > np.arange(start, start + len(delta))[:, None]
        if len(images) == 1:
            later &= (np.abs(delta) <= reach * (1 + 1e-9)).all(axis=2)
        first, second = np.nonzero(later)
        for image in images:
            vectors = (delta[first, second] + image) @ lattice
            distance = np.sqrt((vectors * vectors).sum(axis=1))
            if len(distance) and distance.min() < limit:
                pair = int(distance.argmin())
                return int(first[pair]) + start, int(second[pair]), float(distance[pair])
    return None


def _reduced(lattice: Array, frac: Array) -> tuple[Array, Array]:
    """The same crystal in a Minkowski-reduced basis."""
    basis, change = lattice.copy(), np.eye(3)
    neighbours = np.array(list(np.ndindex(3, 3, 3)), dtype=float) - 1
    while True:
        metric = basis @ basis.T
        for k in np.argsort(-np.diag(metric)):
            others = np.eye(3)[np.arange(3) != k]
            multiples = np.rint(metric[k] / np.diag(metric))[np.arange(3) != k]
            steps = np.vstack(
                [neighbours[neighbours[:, k] == 1], np.eye(3)[k] - multiples[:, None] * others]
            )
            lengths = ((steps @ basis) ** 2).sum(axis=1)
            best = int(lengths.argmin())
            if lengths[best] < metric[k, k] * (1 - 1e-9):
                step = np.eye(3)
                step[k] = steps[best]
                basis, change = step @ basis, step @ change
                break
        else:
            return basis, frac @ np.linalg.inv(change)


def _cross(u: Array, v: Array) -> list[float]:
    """Cross product; faster than np.cross for single vectors."""
    return [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]]
