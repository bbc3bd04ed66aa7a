"""The supercell of at most N atoms with the best product of filling and cubicness."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sitenet.crystal.distances import atom_distances
from sitenet.crystal.elongated_supercell import search_elongated
from sitenet.crystal.lattice_reduction import minkowski
from sitenet.crystal.primitive import PrimitiveCell

Float = NDArray[np.float64]
Int = NDArray[np.int64]

TIE = 1e-5
"""Relative difference below which two scores count as equal."""

TYPICAL_LOSS = 0.35
"""Typical value of (1 - best score) x sqrt(K) for K cells, from which the search starts."""

ROUNDING = 1.0 + 1e-9

MOST_VECTORS = 3000
"""Largest number of vectors of which triples are tried."""

MOST_TRIPLES = 100_000_000
"""Largest number of triples that are tried. Where there are more, the cell is long or flat."""

MOST_TIES = 100
"""Ties that are compared with each other."""

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
"""Cells that are often nearly orthogonal if the primitive cell is oblique."""


@dataclass(frozen=True)
class Supercell:
    """A supercell of a primitive cell with G symmetry operations.

    matrix (3, 3): rows are supercell vectors in units of primitive vectors. keeps (G,) bool: the
    operations that map the supercell's lattice onto itself.
    """

    matrix: Int
    keeps: NDArray[np.bool_]

    @property
    def images(self) -> int:
        """K, number of primitive cells in the supercell."""
        return abs(round(float(np.linalg.det(self.matrix))))

    def orbits(self, cell: PrimitiveCell) -> tuple[Int, Int, Int]:
        """Sites that are equivalent in the supercell: first site of each orbit (Q,), orbit of each
        site (P,), and size of each orbit (Q,)."""
        smallest = cell.images[self.keeps].min(axis=0)
        return np.unique(smallest, return_inverse=True, return_counts=True)


def optimal_supercell(cell: PrimitiveCell, n_atoms: int) -> Supercell:
    """The supercell with the highest score among all integer matrices with at most `n_atoms` atoms.

    score = filling x cubicness. filling = P K / N for K primitive cells of P atoms. cubicness =
    V / ((a^2 + b^2 + c^2) / 3)^(3/2) for the supercell's shortest basis; it is 1 only for a cube.
    Scores within 1e-5 of the best are ties, which are resolved by the number of symmetry operations
    that the supercell keeps, then by its size, then by its `fingerprint`. Hence the choice does not
    depend on how the crystal is described.

    The search is exhaustive, also for long and flat cells (`sitenet.crystal.elongated_supercell`).
    A diagonal supercell provides a lower bound s0 of the best score;
    cubicness >= s0 bounds the three lengths of a reduced basis from both sides (`_vectors`). Of the
    vectors that are equivalent by symmetry only one is tried as the shortest vector.

    Returns:
        A supercell with a Minkowski-reduced matrix; the primitive cell (K = 1) if P > N / 2.
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
        found = _search(metric, volume, most, floor, cell.rotations)
        matrices, scores = found or search_elongated(metric, volume, most, certain)
        loss *= 2
    best = scores >= scores.max() * (1.0 - TIE)
    return _choose(cell, matrices[best], scores[best])


def cubicness(lattice: Float) -> float:
    """V / ((a^2 + b^2 + c^2) / 3)^(3/2) of a cell (3, 3): 1 for a cube, less for other cells."""
    return float(abs(np.linalg.det(lattice)) / ((lattice**2).sum() / 3) ** 1.5)


@lru_cache(maxsize=16)
def _diagonals(most: int) -> tuple[Int, Int]:
    """Matrices diag(n) C with at most `most` cells, for C in CENTRINGS, and their cell counts."""
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
    """Best score of the supercells of `_diagonals`, where `most` cells have filling 1."""
    matrices, cells = _diagonals(most)
    square = np.einsum("nij,jk,nik->n", matrices, metric, matrices) / 3
    return float((cells**2 / most * volume / square**1.5).max())


def _vectors(metric: Float, budget: float, smallest: float) -> tuple[Int, Float] | None:
    """Lattice vectors (n, 3) that a supercell above the bound can have, one of each pair +-v.

    If a^2 + b^2 + c^2 <= budget and abc >= smallest, each of the three squared lengths u satisfies
    u ((budget - u) / 2)^2 >= smallest^2, so that the vectors lie in a shell. They are sorted by
    length; also returns the squared lengths (n,). None if there are more than `MOST_VECTORS`.
    """
    limits = np.roots([1.0, -2.0 * budget, budget**2, -4.0 * smallest**2])
    low, high = np.sort(limits.real)[:2]
    reach = np.floor(np.sqrt(high * ROUNDING * np.linalg.inv(metric).diagonal())).astype(int)
    if np.prod(2.0 * reach + 1) > 100 * MOST_VECTORS:
        return None
    axes = [np.arange(-n, n + 1) for n in reach]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    grid = grid[len(grid) // 2 + 1 :]
    square = ((grid @ metric) * grid).sum(axis=1)
    inside = np.flatnonzero((square >= low / ROUNDING) & (square <= high * ROUNDING))
    if len(inside) > MOST_VECTORS:
        return None
    inside = inside[np.argsort(square[inside], kind="stable")]
    return grid[inside], square[inside]


def _first_of_orbits(vectors: Int, rotations: Int) -> Int:
    """Index of one vector of each set that is equivalent by the rotations and inversion."""
    base = 2 * abs(vectors).max() * 3 + 1
    weights = np.array([base * base, base, 1])
    codes = abs((vectors @ rotations.transpose(0, 2, 1)) @ weights).max(axis=0)
    return np.unique(codes, return_index=True)[1]


def _search(
    metric: Float, volume: float, most: int, floor: float, rotations: Int
) -> tuple[Int, Float] | None:
    """All supercells (up to symmetry) with a score of at least `floor`, as reduced bases.

    Scores are such that `most` cells have filling 1.

    Returns:
        matrices (m, 3, 3) and scores (m,). None if too many triples would have to be tried.
    """
    smallest = int(np.ceil(floor * most)) * volume
    budget = 3 * (most * volume / floor) ** (2 / 3) * ROUNDING
    shell = _vectors(metric, budget, smallest / ROUNDING)
    if shell is None:
        return None
    vectors, square = shell
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
    if len(i) * len(vectors) > MOST_TRIPLES:
        return None
    third = reduced[i] & reduced[j] & (square <= left[:, None])
    pair, k = np.nonzero(third)
    triples = vectors[np.stack([i[pair], j[pair], k], axis=1)]

    cells = _cells(triples)
    mean = (square[i[pair]] + square[j[pair]] + square[k]) / 3
    scores = cells**2 / most * volume / mean**1.5
    good = (cells <= most) & (scores >= floor)
    return triples[good], scores[good]


def _choose(cell: PrimitiveCell, matrices: Int, scores: Float) -> Supercell:
    """The supercell among ties, by the rules stated in `optimal_supercell`."""
    keeps = np.concatenate([
        _maps_onto(some, some, cell.rotations)
        for some in np.array_split(matrices, len(matrices) // 1000 + 1)
    ])  # fmt: skip
    rank = keeps.sum(axis=1) * 10**6 + _cells(matrices)
    left = np.flatnonzero(rank == rank.max())
    closeness = TIE
    while len(left) > MOST_TIES and closeness > 1e-12:
        closeness /= 10
        left = left[scores[left] >= scores[left].max() * (1.0 - closeness)]
    left = left[: 10 * MOST_TIES]
    different = []
    while len(left):
        different.append(Supercell(matrices[left[0]], keeps[left[0]]))
        turned = np.broadcast_to(different[-1].matrix, (len(left), 3, 3))
        left = left[~_maps_onto(turned, matrices[left], cell.rotations).any(axis=1)]
    if len(different) == 1:
        return different[0]
    return max(different, key=lambda supercell: fingerprint(cell, supercell))


def _cells(matrices: Int) -> Int:
    """Number of primitive cells (m,) in each supercell (m, 3, 3)."""
    return np.rint(abs(np.linalg.det(matrices))).astype(np.int64)


def _maps_onto(one: Int, other: Int, rotations: Int) -> NDArray[np.bool_]:
    """Whether each rotation maps lattice `one[m]` onto lattice `other[m]` of equal volume: (m, G).

    Rotation W maps lattice M into M' if M W^T M'^-1 is an integer matrix.
    """
    cells = _cells(other)[:, None, None]
    adjugate = np.rint(np.linalg.inv(other) * cells).astype(np.int64)
    turned = one[:, None] @ rotations.transpose(0, 2, 1)
    return (turned @ adjugate[:, None] % cells[:, None] == 0).all(axis=(2, 3))


def fingerprint(cell: PrimitiveCell, supercell: Supercell) -> float:
    """Mean of Z_i Z_j cos(5 d_ij), d in A, over all pairs of the supercell.

    Up to rounding it is the same for all descriptions of a crystal, and different for other
    distances.
    """
    rows, _, sizes = supercell.orbits(cell)
    distances = atom_distances(cell.lattice, cell.frac, supercell.matrix, rows)
    charge = cell.numbers + 0.1 * cell.oxidation
    pairs = np.cos(5.0 * distances).reshape(len(rows), len(charge), -1).mean(axis=2)
    return float((charge[rows] * sizes) @ pairs @ charge)
