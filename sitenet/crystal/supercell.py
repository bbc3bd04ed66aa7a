"""The supercell of at most N atoms that is both largest and most cubic."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sitenet.crystal.distances import atom_distances
from sitenet.crystal.lattice_reduction import minkowski
from sitenet.crystal.primitive import PrimitiveCell

Float = NDArray[np.float64]
Int = NDArray[np.int64]

TIE = 1e-5
"""Relative difference below which two scores are equal."""

TYPICAL_LOSS = 0.35
"""1 - score of the best supercell of K cells, times sqrt(K), for most crystals: where to start."""

ROUNDING = 1.0 + 1e-9

CENTRINGS = np.array(
    [
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        [[-1, 1, 1], [1, -1, 1], [1, 1, -1]],
        [[0, 1, 1], [1, 0, 1], [1, 1, 0]],
        [[1, 1, 0], [1, -1, 0], [0, 0, 1]],
        [[1, 0, 1], [0, 1, 0], [1, 0, -1]],
        [[1, 0, 0], [0, 1, 1], [0, 1, -1]],
    ],
    dtype=np.int64,
)
"""Cells likely to be nearly orthogonal when the primitive one is oblique."""


@dataclass(frozen=True)
class Supercell:
    """matrix (3, 3): rows are supercell vectors in primitive vectors; keeps (G,) bool: which
    operations of the crystal map the supercell's lattice onto itself."""

    matrix: Int
    keeps: NDArray[np.bool_]

    @property
    def images(self) -> int:
        """Primitive cells in the supercell."""
        return abs(round(float(np.linalg.det(self.matrix))))

    def orbits(self, cell: PrimitiveCell) -> tuple[Int, Int, Int]:
        """Sites with equal surroundings: the first of each orbit (Q,), the orbit of each site
        (P,), the size of each orbit (Q,)."""
        smallest = cell.images[self.keeps].min(axis=0)
        return np.unique(smallest, return_inverse=True, return_counts=True)


def optimal_supercell(cell: PrimitiveCell, n_atoms: int) -> Supercell:
    """The supercell with the best score among all integer matrices of at most `n_atoms` atoms.

    score = filling x cubicness; filling = P K / N for K primitive cells of P atoms;
    cubicness = V / ((a^2 + b^2 + c^2) / 3)^(3/2) of the supercell's shortest basis, 1 only for a
    cube. Of scores that are equal within 1e-5 it takes the supercell that keeps most of the
    crystal's symmetry, then the larger, then the one with the larger `fingerprint`, so that the
    choice does not depend on how the crystal is described.

    The search is exhaustive. A diagonal supercell gives a score s0 to beat; cubicness >= s0 bounds
    the three lengths of a reduced basis from both sides (`_vectors`), and vectors that symmetry
    makes equal need trying once as the shortest one.

    Returns:
        A Minkowski-reduced matrix; the cell itself (K = 1) where P > N / 2.
    """
    sites = len(cell.numbers)
    most = n_atoms // sites
    metric = cell.lattice @ cell.lattice.T
    if most <= 1:
        return Supercell(minkowski(metric), np.ones(len(cell.rotations), dtype=np.bool_))
    volume = float(np.sqrt(np.linalg.det(metric)))
    certain = _diagonal_score(metric, volume, most) * (1.0 - 2 * TIE)
    loss, scores = TYPICAL_LOSS / most**0.5, np.empty(0)
    while not len(scores):
        floor = max(certain, 1.0 - loss)
        matrices, scores = _search(metric, volume, most, floor, cell.rotations)
        loss *= 2
    matrices = matrices[scores >= scores.max() * (1.0 - TIE)]
    return _choose(cell, matrices)


def cubicness(lattice: Float) -> float:
    """V / ((a^2 + b^2 + c^2) / 3)^(3/2) of the cell (3, 3): 1 for a cube, less for all others."""
    return float(abs(np.linalg.det(lattice)) / ((lattice**2).sum() / 3) ** 1.5)


@lru_cache(maxsize=16)
def _diagonals(most: int) -> tuple[Int, Int]:
    """Matrices diag(n) C of at most `most` cells, C from CENTRINGS, and their cell counts."""
    triples = [
        (i, j, k)
        for i in range(1, most + 1)
        for j in range(1, most // i + 1)
        for k in range(1, most // (i * j) + 1)
    ]
    diagonal = np.array(triples, dtype=np.int64)
    matrices = np.concatenate([diagonal[:, :, None] * c for c in CENTRINGS])
    cells = _cells(matrices)
    useful = (cells <= most) & (2 * cells > most)
    return matrices[useful], cells[useful]


def _diagonal_score(metric: Float, volume: float, most: int) -> float:
    """Best score, in units of filling = 1 at `most` cells, of the simple supercells."""
    matrices, cells = _diagonals(most)
    square = np.einsum("nij,jk,nik->n", matrices, metric, matrices) / 3
    return float((cells**2 / most * volume / square**1.5).max())


def _vectors(metric: Float, budget: float, smallest: float) -> tuple[Int, Float]:
    """Lattice vectors (n, 3), one of each pair +-v, that a good enough supercell can have.

    If a^2 + b^2 + c^2 <= budget and abc >= smallest, every squared length u of the three satisfies
    u ((budget - u) / 2)^2 >= smallest^2: a shell. Sorted by length, with squared lengths (n,).
    """
    limits = np.roots([1.0, -2.0 * budget, budget**2, -4.0 * smallest**2])
    low, high = np.sort(limits.real)[:2]
    reach = np.floor(np.sqrt(high * ROUNDING * np.linalg.inv(metric).diagonal())).astype(int)
    axes = [np.arange(-n, n + 1) for n in reach]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    grid = grid[len(grid) // 2 + 1 :]
    square = ((grid @ metric) * grid).sum(axis=1)
    inside = np.flatnonzero((square >= low / ROUNDING) & (square <= high * ROUNDING))
    inside = inside[np.argsort(square[inside], kind="stable")]
    return grid[inside], square[inside]


def _first_of_orbits(vectors: Int, rotations: Int) -> Int:
    """Indices of vectors of which none other is an image under the rotations or inversion."""
    base = 2 * abs(vectors).max() * 3 + 1
    weights = np.array([base * base, base, 1])
    codes = abs((vectors @ rotations.transpose(0, 2, 1)) @ weights).max(axis=0)
    return np.unique(codes, return_index=True)[1]


def _search(
    metric: Float, volume: float, most: int, floor: float, rotations: Int
) -> tuple[Int, Float]:
    """All supercells (up to symmetry) with a score of at least `floor`, as reduced bases.

    Returns:
        matrices (m, 3, 3) and scores (m,), both in units of filling = 1 at `most` cells.
    """
    fewest = int(np.ceil(floor * most))
    smallest = fewest * volume
    budget = 3 * (most * volume / floor) ** (2 / 3) * ROUNDING
    vectors, square = _vectors(metric, budget, smallest / ROUNDING)
    dots = abs(vectors @ metric @ vectors.T)
    # Minkowski: |u.v| <= u^2 / 2 for the shorter u of each pair
    reduced = (dots <= square[:, None] * (0.5 * ROUNDING)) & (square[:, None] <= square * ROUNDING)

    starts = _first_of_orbits(vectors, rotations)
    i, j = np.nonzero(reduced[starts])
    i = starts[i]
    area = square[i] * square[j] - dots[i, j] ** 2
    left = budget - square[i] - square[j]
    good = area * left >= smallest**2 / ROUNDING
    i, j, left = i[good], j[good], left[good]
    third = reduced[i] & reduced[j] & (square <= left[:, None])
    pair, k = np.nonzero(third)
    triples = vectors[np.stack([i[pair], j[pair], k], axis=1)]

    cells = _cells(triples)
    mean = (square[i[pair]] + square[j[pair]] + square[k]) / 3
    scores = cells**2 / most * volume / mean**1.5
    good = (cells <= most) & (scores >= floor)
    return triples[good], scores[good]


def _choose(cell: PrimitiveCell, matrices: Int) -> Supercell:
    """Of equally good supercells, the one named in `optimal_supercell`."""
    keeps = _maps_onto(matrices, matrices, cell.rotations)
    rank = keeps.sum(axis=1) * 10**6 + _cells(matrices)
    left = np.flatnonzero(rank == rank.max())
    different = []
    while len(left):
        different.append(Supercell(matrices[left[0]], keeps[left[0]]))
        turned = np.broadcast_to(different[-1].matrix, (len(left), 3, 3))
        left = left[~_maps_onto(turned, matrices[left], cell.rotations).any(axis=1)]
    if len(different) == 1:
        return different[0]
    return max(different, key=lambda supercell: fingerprint(cell, supercell))


def _cells(matrices: Int) -> Int:
    """Primitive cells in each supercell (m, 3, 3): (m,)."""
    return np.rint(abs(np.linalg.det(matrices))).astype(np.int64)


def _maps_onto(one: Int, other: Int, rotations: Int) -> NDArray[np.bool_]:
    """Whether each rotation maps lattice `one[m]` onto lattice `other[m]` of equal volume: (m, G).

    Lattice M is mapped into M' if M W^T M'^-1 is an integer matrix.
    """
    cells = _cells(other)[:, None, None]
    adjugate = np.rint(np.linalg.inv(other) * cells).astype(np.int64)
    turned = one[:, None] @ rotations.transpose(0, 2, 1)
    return (turned @ adjugate[:, None] % cells[:, None] == 0).all(axis=(2, 3))


def fingerprint(cell: PrimitiveCell, supercell: Supercell) -> float:
    """Mean of Z_i Z_j cos(5 d_ij), d in A, over all pairs of the supercell.

    The same for every description of one crystal, to rounding, but not for other distances.
    """
    rows, _, sizes = supercell.orbits(cell)
    distances = atom_distances(cell.lattice, cell.frac, supercell.matrix, rows)
    charge = cell.numbers + 0.1 * cell.oxidation
    pairs = np.cos(5.0 * distances).reshape(len(rows), len(charge), -1).mean(axis=2)
    return float((charge[rows] * sizes) @ pairs @ charge)
