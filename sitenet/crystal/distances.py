"""Distances in a periodic supercell."""

import itertools

import numpy as np
from numpy.typing import NDArray

from sitenet.crystal.lattice_reduction import HALF_OF_NEIGHBOURS, hermite, minkowski

Float = NDArray[np.float64]
Int = NDArray[np.int64]

BLOCK = 1024
"""Number of differences processed at a time, so that temporary arrays fit the cache."""


def lattice_points(matrix: Int) -> Int:
    """The K lattice points (K, 3) of a supercell, in units of primitive vectors, origin first.

    These represent the primitive lattice vectors modulo supercell vectors (rows of `matrix`);
    K = |det matrix|.
    """
    basis = hermite(matrix)
    ranges = [range(basis[i, i]) for i in range(3)]
    return np.array(list(itertools.product(*ranges)), dtype=np.int64)


def atom_distances(lattice: Float, frac: Float, matrix: Int, rows: Int | None = None) -> Float:
    """Minimum-image distances from unique sites to all supercell atoms.

    The images are those of the supercell's lattice: difference vectors are wrapped into
    [-1/2, 1/2] along each vector of its Minkowski-reduced basis, and the 27 images around them are
    compared, which suffices for such a basis (Nguyen and Stehlé 2009,
    doi:10.1145/1597036.1597050).

    Args:
        lattice: (3, 3) primitive vectors as rows, in A.
        frac: (P, 3) fractional positions of the sites.
        matrix: (3, 3) integer; rows are supercell vectors in units of primitive vectors.
        rows: (R,) sites to compute rows for; None: all P.

    Returns:
        (R, P K) in A; atom j is image j % K of site j // K. Exactly 0 only for a site's own first
        image.
    """
    rows = np.arange(len(frac)) if rows is None else rows
    axes = matrix @ lattice
    axes = minkowski(axes @ axes.T) @ axes
    metric = axes @ axes.T
    to_axes = lattice @ np.linalg.inv(axes)
    sites = frac @ to_axes
    atoms = (sites[:, None] + lattice_points(matrix) @ to_axes).reshape(-1, 3)
    steps = HALF_OF_NEIGHBOURS @ metric
    squares = (HALF_OF_NEIGHBOURS * steps).sum(axis=1)[:, None]
    result = np.empty((len(rows), len(atoms)))
    chunk = max(1, BLOCK // len(atoms))
    gains = np.empty((len(steps), chunk * len(atoms)))  # once: new large arrays take long
    for start in range(0, len(rows), chunk):
        apart = (atoms - sites[rows[start : start + chunk], None]).reshape(-1, 3)
        apart -= np.rint(apart)
        # |d + n|^2 = d^2 + n^2 + 2 d.n, least over the images n and -n: d^2 + n^2 - 2 |d.n|
        gain = np.matmul(steps, apart.T, out=gains[:, : len(apart)])
        np.abs(gain, out=gain)
        gain *= -2.0
        gain += squares
        parts = apart @ metric
        parts *= apart
        square = parts[:, 0] + parts[:, 1] + parts[:, 2]
        square += np.minimum(gain.min(axis=0), 0.0)
        result[start : start + chunk] = np.sqrt(np.maximum(square, 0.0)).reshape(-1, len(atoms))
    return result
