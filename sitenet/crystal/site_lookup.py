"""Nearest site of a periodic crystal to many positions, within a small distance."""

import itertools

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Int = NDArray[np.int64]

BLOCK = 16384
"""Number of differences processed at a time, so that temporary arrays fit the cache."""

FEW = 64
"""Up to this number of sites, every position is compared with every site."""

FINEST = 2**20
"""Largest number of bins along an axis, so that the number of a bin fits in 64 bits."""


class SiteLookup:
    """Sites (s, 3) of a cell with a given metric (3, 3), in A^2.

    A position costs O(log s) time: space is divided into bins a few times as wide as `reach` (A),
    and each site is listed in all bins that it can be reached from. As atoms are apart, a bin holds
    hardly ever more than one.
    """

    def __init__(self, metric: Float, sites: Float, reach: float) -> None:
        self._metric, self._sites = metric, sites
        self._listed = len(sites) > FEW
        if not self._listed:
            return
        near = reach * np.sqrt(np.linalg.inv(metric).diagonal())  # in fractions
        self._bins = np.clip(np.floor(0.25 / near), 1, FINEST).astype(np.int64)
        keys, owners = [], []
        inside = sites % 1.0
        for corner in itertools.product((-1, 0, 1), repeat=3):
            keys.append(self._keys(inside + np.array(corner) * near * (1 + 1e-9)))
            owners.append(np.arange(len(sites)))
        pairs = np.unique(np.stack([np.concatenate(keys), np.concatenate(owners)]), axis=1)
        self._key, self._owner = pairs
        counts = np.unique(self._key, return_counts=True)[1]
        self._most = int(counts.max())

    def nearest(self, landed: Float) -> tuple[Int, Float]:
        """Nearest site to each position (m, q, 3): index and squared distance (m, q) in A^2.

        The distance is infinite, and the index any, where no site is within reach. The nearest
        image is determined for each component separately, which is valid for distances far below
        the size of the cell.
        """
        flat = landed.reshape(-1, 3)
        nearest, square = self._in_bins(flat) if self._listed else self._among_all(flat)
        return nearest.reshape(landed.shape[:2]), square.reshape(landed.shape[:2])

    def _keys(self, positions: Float) -> Int:
        cells = np.floor((positions % 1.0) * self._bins).astype(np.int64) % self._bins
        return (cells[:, 0] * self._bins[1] + cells[:, 1]) * self._bins[2] + cells[:, 2]

    def _in_bins(self, positions: Float) -> tuple[Int, Float]:
        nearest = np.zeros(len(positions), dtype=np.int64)
        square = np.full(len(positions), np.inf)
        keys = self._keys(positions)
        first = np.searchsorted(self._key, keys)
        for step in range(self._most):
            entry = np.minimum(first + step, len(self._key) - 1)
            rows = np.flatnonzero(self._key[entry] == keys)
            owner = self._owner[entry[rows]]
            apart = positions[rows] - self._sites[owner]
            apart -= np.rint(apart)
            squares = ((apart @ self._metric) * apart).sum(axis=-1)
            closer = squares < square[rows]
            nearest[rows[closer]], square[rows[closer]] = owner[closer], squares[closer]
        return nearest, square

    def _among_all(self, positions: Float) -> tuple[Int, Float]:
        nearest = np.empty(len(positions), dtype=np.int64)
        square = np.empty(len(positions))
        chunk = max(1, BLOCK // len(self._sites))
        for start in range(0, len(positions), chunk):
            block = slice(start, start + chunk)
            apart = positions[block, None] - self._sites
            apart -= np.rint(apart)
            squares = ((apart @ self._metric) * apart).sum(axis=-1)
            nearest[block], square[block] = squares.argmin(axis=1), squares.min(axis=1)
        return nearest, square
