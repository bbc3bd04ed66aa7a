"""The supercell of at most N atoms with the best product of filling and cubicness."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from math import acos, cos, pi

import numpy as np
from numpy.typing import NDArray

from sitenet.crystal.distances import atom_distances
from sitenet.crystal.elongated_supercell import search_elongated
from sitenet.crystal.lattice_reduction import determinants, minkowski
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

AT_ONCE = 2**14
"""Number of triples compared at a time, so that temporary arrays fit the cache."""

LOOSE = 1e-6
"""Relative error of a squared length by which a vector is not yet left out."""

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

    cell: PrimitiveCell
    matrix: Int
    keeps: NDArray[np.bool_]

    @property
    def images(self) -> int:
        """K, number of primitive cells in the supercell."""
        return int(_cells(self.matrix))

    @cached_property
    def orbits(self) -> tuple[Int, Int, Int]:
        """Sites that are equivalent in the supercell: first site of each orbit (Q,), orbit of each
        site (P,), and size of each orbit (Q,)."""
        smallest = self.cell.images[self.keeps].min(axis=0)
        own = smallest == np.arange(len(smallest))
        orbit = (np.cumsum(own) - 1)[smallest]
        return np.flatnonzero(own), orbit, np.bincount(orbit)

    @cached_property
    def distances(self) -> Float:
        """`atom_distances` (Q, P K) in A from the first site of each orbit."""
        return atom_distances(self.cell.lattice, self.cell.frac, self.matrix, self.orbits[0])


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
        return Supercell(cell, minkowski(metric), np.ones(len(cell.rotations), dtype=np.bool_))
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


@lru_cache(maxsize=100)
def _diagonals(most: int) -> list[Float]:
    """For each C in CENTRINGS: n^2 / cells^(4/3) of the matrices diag(n) C that are useful (t, 3).

    These have at most `most` cells, and more than half of that.
    """
    triples = [
        (i, j, k)
        for i in range(1, most + 1)
        for j in range(1, most // i + 1)
        for k in range(1, most // (i * j) + 1)
    ]
    diagonal = np.array(triples, dtype=np.int64)
    weights = []
    for centring in CENTRINGS:
        cells = diagonal.prod(axis=1) * abs(determinants(centring))
        useful = (cells <= most) & (2 * cells > most)
        weights.append(diagonal[useful] ** 2 / cells[useful, None] ** (4 / 3))
    return weights


def _diagonal_score(metric: Float, volume: float, most: int) -> float:
    """Best score of the supercells of `_diagonals`, where `most` cells have filling 1."""
    squares = ((CENTRINGS @ metric) * CENTRINGS).sum(axis=2)
    least = min(
        float((weights @ square).min())
        for weights, square in zip(_diagonals(most), squares, strict=True)
        if len(weights)
    )
    return volume / most / (least / 3) ** 1.5


def _vectors(metric: Float, budget: float, smallest: float) -> tuple[Int, Float] | None:
    """Lattice vectors (n, 3) that a supercell above the bound can have, one of each pair +-v.

    If a^2 + b^2 + c^2 <= budget and abc >= smallest, each of the three squared lengths u satisfies
    u ((budget - u) / 2)^2 >= smallest^2, so that the vectors lie in a shell. They are sorted by
    length; also returns the squared lengths (n,). None if there are more than `MOST_VECTORS`.
    """
    # The roots of this cubic equation, by the cosines of a third of an angle.
    angle = acos(min(max(54 * smallest**2 / budget**3 - 1, -1.0), 1.0)) / 3
    low, high = (2 / 3 * budget * (1 + cos(angle + 2 * pi * k / 3)) for k in (1, -1))
    reach = np.floor(np.sqrt(high * ROUNDING * np.linalg.inv(metric).diagonal()))
    if np.prod(2.0 * reach + 1) > 100 * MOST_VECTORS:
        return None
    grid = _shell(metric, reach.astype(np.int64).tolist(), low, high)
    square = ((grid @ metric) * grid).sum(axis=1)
    inside = np.flatnonzero((square >= low / ROUNDING) & (square <= high * ROUNDING))
    if len(inside) > MOST_VECTORS:
        return None
    inside = inside[np.argsort(square[inside], kind="stable")]
    return grid[inside], square[inside]


def _shell(metric: Float, reach: list[int], low: float, high: float) -> Int:
    """Vectors (n, 3) with components up to `reach`, one of each pair +-v, whose squared length is
    between the limits or just outside of them."""
    x, y, z = (np.arange(-n, n + 1.0) for n in reach)
    x, y = x[reach[0] :, None, None], y[:, None]
    ends = y * (metric[1, 1] * y) + z * (2 * metric[1, 2] * y + metric[2, 2] * z)
    square = x * (metric[0, 0] * x + 2 * (metric[0, 1] * y + metric[0, 2] * z)) + ends
    found = np.flatnonzero((square >= low * (1 - LOOSE)) & (square <= high * (1 + LOOSE)))
    found = found[found > ends.size // 2]  # of vectors with x = 0, the latter half
    first, rest = np.divmod(found, ends.size)
    second, third = np.divmod(rest, len(z))
    return np.stack([first, second - reach[1], third - reach[2]], axis=1)


def _first_of_orbits(vectors: Int, rotations: Int) -> Int:
    """Index of one vector of each set that is equivalent by the rotations and inversion."""
    base = 2 * abs(vectors).max() * 3 + 1
    weights = np.array([base * base, base, 1])
    codes = abs(vectors @ (weights @ rotations).T).max(axis=1)
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
    i, j, left, area = i[good], j[good], left[good], area[good]
    if len(i) * len(vectors) > MOST_TRIPLES:
        return None
    # The third vector is as long as the height of the cell, or longer.
    shortest = np.searchsorted(square, smallest**2 / (area * ROUNDING**2))
    longest = np.searchsorted(square, left, side="right")
    pair, k = _ranges(shortest, longest, reduced, i, j)
    triples = vectors[np.stack([i[pair], j[pair], k], axis=1)]

    cells = _cells(triples)
    mean = (square[i[pair]] + square[j[pair]] + square[k]) / 3
    scores = cells**2 / most * volume / mean**1.5
    good = (cells <= most) & (scores >= floor)
    return triples[good], scores[good]


def _ranges(first: Int, stop: Int, reduced: NDArray[np.bool_], i: Int, j: Int) -> tuple[Int, Int]:
    """Pairs (t,), and vectors k (t,) from `first` to `stop` - 1 of each that are reduced with both
    of its vectors i and j."""
    flat, rows = reduced.ravel(), len(reduced)
    counts = np.maximum(stop - first, 0)
    ends = counts.cumsum()
    total = int(ends[-1]) if len(ends) else 0
    cuts = np.searchsorted(ends, np.arange(0, total + AT_ONCE, AT_ONCE)[1:-1], side="right")
    found = []
    for start, end in pairwise([0, *cuts.tolist(), len(i)]):
        some = slice(start, end)
        pair = np.repeat(np.arange(start, end), counts[some])
        before = int(ends[start - 1]) if start else 0
        k = np.arange(before, before + len(pair)) + (first + counts - ends)[pair]
        fits = flat[(i * rows)[pair] + k]
        fits &= flat[(j * rows)[pair] + k]
        found.append((pair[fits], k[fits]))
    if len(found) == 1:
        return found[0]
    pair, k = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return pair, k


def _choose(cell: PrimitiveCell, matrices: Int, scores: Float) -> Supercell:
    """The supercell among ties, by the rules stated in `optimal_supercell`."""
    keeps = np.concatenate([
        _maps_onto(some, some, cell.rotations)
        for some in (matrices[k : k + 1000] for k in range(0, len(matrices), 1000))
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
        different.append(Supercell(cell, matrices[left[0]], keeps[left[0]]))
        turned = np.broadcast_to(different[-1].matrix, (len(left), 3, 3))
        left = left[~_maps_onto(turned, matrices[left], cell.rotations).any(axis=1)]
    if len(different) == 1:
        return different[0]
    return max(different, key=fingerprint)


def _cells(matrices: Int) -> Int:
    """Number of primitive cells (m,) in each supercell (m, 3, 3)."""
    return abs(determinants(matrices))


def _maps_onto(one: Int, other: Int, rotations: Int) -> NDArray[np.bool_]:
    """Whether each rotation maps lattice `one[m]` onto lattice `other[m]` of equal volume: (m, G).

    Rotation W maps lattice M into M' if M W^T M'^-1 is an integer matrix.
    """
    cells = _cells(other)[:, None, None]
    adjugate = np.rint(np.linalg.inv(other) * cells).astype(np.int64)
    turned = one[:, None] @ rotations.transpose(0, 2, 1)
    return (turned @ adjugate[:, None] % cells[:, None] == 0).all(axis=(2, 3))


def fingerprint(supercell: Supercell) -> float:
    """Mean of Z_i Z_j cos(5 d_ij), d in A, over all pairs of the supercell.

    Up to rounding it is the same for all descriptions of a crystal, and different for other
    distances.
    """
    rows, _, sizes = supercell.orbits
    cell = supercell.cell
    charge = cell.numbers + 0.1 * cell.oxidation
    pairs = np.cos(5.0 * supercell.distances).reshape(len(rows), len(charge), -1).mean(axis=2)
    return float((charge[rows] * sizes) @ pairs @ charge)
