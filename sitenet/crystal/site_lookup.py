"""Nearest site of its own species to many positions of a crystal, within a small distance."""

import itertools

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Int = NDArray[np.int64]

BLOCK = 4096
"""Number of differences processed at a time, so that temporary arrays fit the cache."""

FEW = 64
"""Up to this number of sites of each species, every position is compared with all of them."""

FINEST = 2**17
"""Largest number of bins along an axis, so that species and number of a bin fit in 64 bits."""


class SiteLookup:
    """Sites (P, 3) of a cell with a given metric (3, 3), in A^2, and species (P,) 0, 1, ...

    A position costs O(log P) time: space is divided into bins a few times as wide as `reach` (A),
    and each site is listed in all bins that it can be reached from. As atoms are apart, a bin holds
    hardly ever more than one.
    """

    def __init__(self, metric: Float, sites: Float, species: Int, reach: float) -> None:
        self._metric, self._sites, self._species = metric, sites, species
        counts = np.bincount(species)
        self._listed = int(counts.max()) > FEW
        if not self._listed:
            # Sites by species, (K, most); the last of a species fills its row.
            order = np.argsort(species, kind="stable")
            most = np.arange(counts.max())
            ends = counts.cumsum()
            self._table = order[np.minimum((ends - counts)[:, None] + most, ends[:, None] - 1)]
            self._counts, self._axes = counts, np.linalg.cholesky(metric).T
            return
        near = reach * np.sqrt(np.linalg.inv(metric).diagonal())  # in fractions
        self._bins = np.clip(np.floor(0.25 / near), 1, FINEST).astype(np.int64)
        keys, owners = [], []
        inside = sites % 1.0
        for corner in itertools.product((-1, 0, 1), repeat=3):
            moved = inside + np.array(corner) * near * (1 + 1e-9)
            keys.append(self._keys(moved, species))
            owners.append(np.arange(len(sites)))
        pairs = np.unique(np.stack([np.concatenate(keys), np.concatenate(owners)]), axis=1)
        self._key, self._owner = pairs
        starts = np.flatnonzero(np.diff(self._key, prepend=-1))
        self._most = int(np.diff(starts, append=len(self._key)).max())

    def nearest(self, landed: Float, of: Int) -> tuple[Int, Float]:
        """Nearest site of the species of site `of` (q,) to each position (m, q, 3).

        Returns its index and squared distance (m, q) in A^2. The distance is infinite, and the
        index any, where no site is within reach. The nearest image is determined for each component
        separately, which is valid for distances far below the size of the cell.
        """
        species = self._species[of]
        return self._in_bins(landed, species) if self._listed else self._among_all(landed, species)

    def _keys(self, positions: Float, species: Int) -> Int:
        cells = np.floor((positions % 1.0) * self._bins).astype(np.int64) % self._bins
        key = (species * self._bins[0] + cells[:, 0]) * self._bins[1] + cells[:, 1]
        return np.asarray(key * self._bins[2] + cells[:, 2])

    def _in_bins(self, landed: Float, species: Int) -> tuple[Int, Float]:
        positions = landed.reshape(-1, 3)
        nearest = np.zeros(len(positions), dtype=np.int64)
        square = np.full(len(positions), np.inf)
        keys = self._keys(positions, np.broadcast_to(species, landed.shape[:2]).ravel())
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
        return nearest.reshape(landed.shape[:2]), square.reshape(landed.shape[:2])

    def _among_all(self, landed: Float, species: Int) -> tuple[Int, Float]:
        """Components come first and sites second, so that loops run over many positions."""
        table = self._table[species, : self._counts[species].max()]
        sites = self._sites.T[:, table.T][:, :, None]  # (3, most, 1, q)
        positions = np.ascontiguousarray(landed.transpose(2, 0, 1))[:, None]  # (3, 1, m, q)
        nearest = np.empty(landed.shape[:2], dtype=np.int64)
        square = np.empty(landed.shape[:2])
        chunk = max(1, BLOCK // table.size)
        every = np.arange(len(species))
        for start in range(0, len(landed), chunk):
            block = slice(start, start + chunk)
            apart = positions[:, :, block] - sites
            apart -= np.rint(apart)
            vectors = self._axes @ apart.reshape(3, -1)
            vectors *= vectors
            squares = (vectors[0] + vectors[1] + vectors[2]).reshape(apart.shape[1:])
            closest = squares.argmin(axis=0)
            nearest[block] = table[every, closest]
            square[block] = squares.min(axis=0)
        return nearest, square
