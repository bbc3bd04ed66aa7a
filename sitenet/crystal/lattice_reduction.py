"""Reduced bases of three-dimensional lattices."""

import itertools
from collections.abc import Callable
from math import floor

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Vector = list[int]

HALF_OF_NEIGHBOURS = np.array(
    [n for n in itertools.product((-1, 0, 1), repeat=3) if n > (0, 0, 0)], dtype=np.float64
)
"""(13, 3): one vector of each pair +n, -n of nonzero vectors with components -1, 0, 1."""

SHORTER = 1.0 - 1e-9
"""A vector is replaced only if the other one is shorter by more than rounding errors."""

MOST_STEPS = 1000
"""Steps of a reduction; each divides a length, so only rounding errors can lead to more."""


def minkowski(metric: Float) -> Int:
    """Integer matrix T with det +-1 such that the rows of T A are a Minkowski-reduced basis of A.

    Greedy algorithm of Nguyen and Stehlé (2009), doi:10.1145/1597036.1597050: reduce the two
    shortest vectors by Gauss's algorithm, subtract from the longest one the closest vector of their
    plane, and repeat while that makes it shorter. The rows are sorted by length; in three
    dimensions they attain the successive minima.

    Args:
        metric: (3, 3) matrix A A^T of dot products in A^2.
    """
    (g00, g01, g02), (g10, g11, g12), (g20, g21, g22) = metric.tolist()
    basis = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]

    def dot(u: Vector, v: Vector) -> float:
        x, y, z = v
        a = g00 * x + g01 * y + g02 * z
        b = g10 * x + g11 * y + g12 * z
        return u[0] * a + u[1] * b + u[2] * (g20 * x + g21 * y + g22 * z)

    for _ in range(MOST_STEPS):
        basis.sort(key=lambda v: dot(v, v))
        a, b = _gauss(basis[0], basis[1], dot)
        c = basis[2]
        aa, ab, bb, ac, bc = dot(a, a), dot(a, b), dot(b, b), dot(a, c), dot(b, c)
        area = aa * bb - ab * ab
        x, y = floor((ac * bb - bc * ab) / area), floor((bc * aa - ac * ab) / area)
        corners = [
            [r - m * p - n * q for p, q, r in zip(a, b, c, strict=True)]
            for m in (x, x + 1)
            for n in (y, y + 1)
        ]
        shortest = min(corners, key=lambda v: dot(v, v))
        if dot(shortest, shortest) >= SHORTER * dot(c, c):
            return np.array(sorted([a, b, c], key=lambda v: dot(v, v)), dtype=np.int64)
        basis = [a, b, shortest]
    raise ArithmeticError("the cell is too skew to find a reduced basis in double precision")


def _gauss(a: Vector, b: Vector, dot: Callable[[Vector, Vector], float]) -> tuple[Vector, Vector]:
    """Reduced basis of the plane spanned by a and b, shorter vector first."""
    for _ in range(MOST_STEPS):
        steps = round(dot(a, b) / dot(a, a))
        shorter = [q - steps * p for p, q in zip(a, b, strict=True)]
        if dot(shorter, shorter) >= SHORTER * dot(b, b):
            return a, b
        a, b = (shorter, a) if dot(shorter, shorter) < dot(a, a) else (a, shorter)
    raise ArithmeticError("the cell is too skew to find a reduced basis in double precision")


def hermite(rows: NDArray[np.integer]) -> Int:
    """Upper triangular basis with positive diagonal of the lattice spanned by integer rows (m, 3).

    Raises:
        ValueError: the rows do not span three dimensions.
    """
    todo = [[int(v) for v in row] for row in rows]
    basis = []
    for column in range(3):
        while True:
            used = [row for row in todo if row[column]]
            if not used:
                raise ValueError("the vectors lie in a plane")
            pivot = min(used, key=lambda row: abs(row[column]))
            if len(used) == 1:
                break
            for row in used:
                if row is not pivot:
                    times = row[column] // pivot[column]
                    row[:] = [r - times * p for r, p in zip(row, pivot, strict=True)]
        todo = [row for row in todo if row is not pivot and any(row)]
        basis.append([-v for v in pivot] if pivot[column] < 0 else pivot)
    return np.array(basis, dtype=np.int64)


def determinants(matrices: Int) -> Int:
    """Determinants (...,) of integer matrices (..., 3, 3)."""
    a, b, c = (matrices[..., k, :] for k in range(3))
    return np.asarray(
        a[..., 0] * (b[..., 1] * c[..., 2] - b[..., 2] * c[..., 1])
        + a[..., 1] * (b[..., 2] * c[..., 0] - b[..., 0] * c[..., 2])
        + a[..., 2] * (b[..., 0] * c[..., 1] - b[..., 1] * c[..., 0])
    )
