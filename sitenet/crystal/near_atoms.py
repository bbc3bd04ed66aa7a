"""The atoms near some sites of a crystal, as rows of equal length."""

from itertools import product

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Int = NDArray[np.int64]

PADDING = 1e6
"""Distance in A of atoms that fill a row: every weight that falls with the distance is zero."""


def atoms_around(lattice: Float, frac: Float, reach: float) -> tuple[Int, Float]:
    """Site (M,) and place (M, 3) in A of all atoms within `reach` (A) of the cell.

    0 <= frac < 1, and the lattice is reduced, else there are many cells to look at.
    """
    margin = reach * np.linalg.norm(np.linalg.inv(lattice), axis=0)
    last = np.ceil(margin).astype(np.int64).tolist()
    shifts = np.array(list(product(*(range(-n, n + 1) for n in last))), dtype=np.float64)
    inside = frac[:, None] + shifts
    near = ((inside >= -margin) & (inside <= 1 + margin)).all(axis=2)
    return np.nonzero(near)[0], inside[near] @ lattice


def neighbours(center: Float, places: Float, reach: float) -> tuple[Float, Float, Int]:
    """Distance (q, n), unit vector (q, n, 3) and atom (q, n) of the neighbours within `reach`.

    Rows with less than n are filled with atoms at the distance PADDING.
    """
    apart = places - center[:, None]
    square = (apart * apart).sum(axis=2)
    row, atom = np.nonzero((square < reach**2) & (square > 1e-6))  # 0: the site itself
    count = np.bincount(row, minlength=len(center))
    slot = np.arange(len(row)) - np.repeat(count.cumsum() - count, count)
    shape = len(center), max(1, int(count.max()))
    distance, units = np.full(shape, PADDING), np.zeros((*shape, 3))
    which = np.zeros(shape, dtype=np.int64)
    length = np.sqrt(square[row, atom])
    distance[row, slot], which[row, slot] = length, atom
    units[row, slot] = apart[row, atom] / length[:, None]
    return distance, units, which
