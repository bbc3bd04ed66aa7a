"""Detection of overlapping atoms in a periodic crystal."""

from itertools import product
from math import sqrt
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

_PAIRS = 500_000  # pairs compared at a time, to limit memory


def heights(lattice: Array) -> Array:
    """Distances in A between opposite faces of the cell, (3,); zeros for a cell without volume.

    Args:
        lattice: (3, 3) rows a, b, c in A.
    """
    a, b, c = lattice.tolist()
    faces = [_cross(b, c), _cross(c, a), _cross(a, b)]
    volume = abs(sum(x * y for x, y in zip(faces[0], a, strict=True)))
    area = [sqrt(x * x + y * y + z * z) for x, y, z in faces]
    return np.array([volume / max(one, np.finfo(float).tiny) for one in area])


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
        some = frac[start : start + rows]
        if len(images) == 1:
            near = np.ones((len(some), len(frac)), dtype=np.bool_)
            for one, other, limited in zip(some.T, frac.T, reach * (1 + 1e-9), strict=True):
                delta = other - one[:, None]
                delta -= np.rint(delta)
                near &= np.abs(delta, out=delta) <= limited
            if np.count_nonzero(near) == len(some):
                continue  # each atom with itself
            first, second = np.nonzero(near)
        else:
            first, second = np.indices((len(some), len(frac))).reshape(2, -1)
        later = second > first + start
        first, second = first[later], second[later]
        delta = frac[second] - some[first]
        delta -= np.rint(delta)
        for image in images:
            vectors = (delta + image) @ lattice
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


def _cross(u: list[float], v: list[float]) -> list[float]:
    """Cross product; faster than np.cross for single vectors."""
    return [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]]
