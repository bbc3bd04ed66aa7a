"""Exhaustive search for supercells of crystals whose primitive cell is long or flat.

`sitenet.crystal.supercell` tries all triples of lattice vectors in a shell. If one primitive vector
is much longer than others, as in a slab with vacuum, the shell holds many thousands. Here a pair of
vectors is tried first, and the third one only among those near the normal of their plane.

For a supercell with the reduced basis a <= b <= c, of K = m k cells, of which m is the number of
primitive meshes in the face (a, b) and k the number of lattice planes that c spans:

- a, b and c are at least as long as the three shortest independent lattice vectors, so that the
  longest of these limits a and b;
- c is as long as the height K V / |a x b| or longer;
- the part of c in the plane of a and b is at most half the diagonal of a rectangle with these
  sides.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from sitenet.crystal.lattice_reduction import minkowski

Float = NDArray[np.float64]
Int = NDArray[np.int64]

ROUNDING = 1.0 + 1e-9

FEWER = 20
"""Meshes below the largest number for which all faces of the bound are tried."""

AT_ONCE = 2**21
"""Number of triples compared at a time, to limit memory."""


def face_score(metric: Float, volume: float, most: int) -> float:
    """Best score of supercells with one lattice plane, spanned by the two shortest vectors.

    `metric` is that of a Minkowski-reduced basis; scores are such that `most` cells have filling 1.
    """
    faces = np.array([
        (meshes // rows, shift, rows)
        for meshes in range(max(1, most - FEWER), most + 1)
        for rows in range(1, meshes + 1)
        if meshes % rows == 0
        for shift in range(meshes // rows)
    ])  # fmt: skip
    a = np.stack([faces[:, 0], np.zeros(len(faces), dtype=np.int64)], axis=1)
    b = faces[:, 1:]
    plane = metric[:2, :2]
    while True:
        aa = ((a @ plane) * a).sum(axis=1)
        b = b - np.rint(((a @ plane) * b).sum(axis=1) / aa).astype(np.int64)[:, None] * a
        bb = ((b @ plane) * b).sum(axis=1)
        shorter = bb < aa / ROUNDING
        if not shorter.any():
            break
        a, b = np.where(shorter[:, None], b, a), np.where(shorter[:, None], a, b)
    cells = faces[:, 0] * faces[:, 2]
    mean = (aa + bb + metric[2, 2]) / 3
    return float((cells**2 / most * volume / mean**1.5).max())


def search_elongated(metric: Float, volume: float, most: int, floor: float) -> tuple[Int, Float]:
    """All supercells with a score of at least `floor`, which a supercell of the crystal has.

    Returns:
        matrices (m, 3, 3), whose rows are sorted by length, and scores (m,).
    """
    reduced = minkowski(metric)
    metric = reduced @ metric @ reduced.T
    floor = max(floor, face_score(metric, volume, most) * (1.0 - 2e-5))
    matrices, scores = [np.empty((0, 3, 3), dtype=np.int64)], [np.empty(0)]
    for first, second, third in _triples(metric, volume, most, floor):
        triple = np.stack([first, second, third], axis=1)
        cells = np.rint(abs(np.linalg.det(triple))).astype(np.int64)
        mean = np.einsum("nij,jk,nik->n", triple, metric, triple) / 3
        score = cells**2 / most * volume / mean**1.5
        good = (cells > 0) & (cells <= most) & (score >= floor)
        matrices.append(triple[good] @ reduced)
        scores.append(score[good])
    return np.concatenate(matrices), np.concatenate(scores)


def _triples(
    metric: Float, volume: float, most: int, floor: float
) -> Iterator[tuple[Int, Int, Int]]:
    """Vectors a, b and c (n, 3) of supercells that may reach the score, plane by plane."""
    budget = 3 * (np.arange(most + 1) ** 2 * volume / (most * floor)) ** (2 / 3) * ROUNDING
    a, b, meshes, normal = _faces(metric, most, float(budget[-1]))
    aa, bb = _squares(a, metric), _squares(b, metric)
    area = np.sqrt(aa * bb - ((a @ metric) * b).sum(axis=1) ** 2)
    normals, plane_of = np.unique(normal, axis=0, return_inverse=True)
    least = np.maximum(bb, metric[2, 2]) / ROUNDING
    for planes in range(1, most // int(meshes.min(initial=most)) + 1):
        cells = np.minimum(meshes * planes, most)
        third = np.maximum(least, (cells * volume / area) ** 2 / ROUNDING)
        fits = np.flatnonzero((meshes * planes <= most) & (aa + bb + third <= budget[cells]))
        order = fits[np.argsort(plane_of[fits], kind="stable")]
        for faces in np.split(order, np.flatnonzero(np.diff(plane_of[order])) + 1):
            if len(faces):
                radius = float(np.sqrt((aa + bb)[faces].max())) / 2 * ROUNDING
                thirds = _above(metric, normals[plane_of[faces[0]]], planes, radius)
                yield from _fitting(metric, a[faces], b[faces], thirds)


def _faces(metric: Float, most: int, budget: float) -> tuple[Int, Int, Int, Int]:
    """Reduced pairs a, b (n, 3), number of meshes (n,) of each, and normal (n, 3) of its plane."""
    longest = metric[2, 2] / ROUNDING
    vectors = _within(metric, budget - longest - metric[0, 0] / ROUNDING)
    square = _squares(vectors, metric)
    order = np.argsort(square, kind="stable")
    vectors, square = vectors[order], square[order]
    short = np.flatnonzero(2 * square <= budget - longest)
    found: list[tuple[Int, Int]] = [(vectors[:0], vectors[:0])]
    rows = max(1, AT_ONCE // max(len(vectors), 1))
    for start in range(0, len(short), rows):
        some = short[start : start + rows]
        dots = abs(vectors[some] @ metric @ vectors.T)
        own = square[some][:, None]
        fits = (dots <= own * (0.5 * ROUNDING)) & (own <= square * ROUNDING)
        fits &= own + square <= budget - np.maximum(longest, square / ROUNDING)
        i, j = np.nonzero(fits)
        found.append((vectors[some[i]], vectors[j]))
    a, b = (np.concatenate(parts) for parts in zip(*found, strict=True))
    cross = np.cross(a, b)
    meshes = np.gcd.reduce(cross, axis=1)
    kept = (meshes > 0) & (meshes <= most)
    a, b, cross, meshes = a[kept], b[kept], cross[kept], meshes[kept]
    normal = cross // meshes[:, None]
    leading = np.take_along_axis(normal, (normal != 0).argmax(axis=1)[:, None], axis=1)
    return a, b, meshes, normal * np.sign(leading)


def _within(metric: Float, square: float) -> Int:
    """Lattice vectors (n, 3) whose squared length is at most `square`, one of each pair +-v."""
    reach = np.floor(np.sqrt(max(square, 0.0) * ROUNDING * np.linalg.inv(metric).diagonal()))
    axes = [np.arange(-n, n + 1) for n in reach.astype(np.int64)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    grid = grid[len(grid) // 2 + 1 :]
    return grid[_squares(grid, metric) <= square * ROUNDING]


def _above(metric: Float, normal: Int, planes: int, radius: float) -> Int:
    """Vectors (n, 3) from the origin to a lattice plane whose part in the plane is <= `radius`.

    Args:
        metric: (3, 3) in A^2.
        normal: (3,) coprime integers; v . normal is the number of the plane of v.
        planes: number of the plane.
        radius: in A.
    """
    basis, up = _complement(*(int(n) for n in normal))
    mesh = basis @ metric @ basis.T
    centre = -planes * (basis @ metric @ up) @ np.linalg.inv(mesh)
    reach = radius * np.sqrt(np.linalg.inv(mesh).diagonal())
    ranges = [
        np.arange(np.ceil(c - r), np.floor(c + r) + 1) for c, r in zip(centre, reach, strict=True)
    ]
    steps = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, 2)
    away = steps - centre
    inside = ((away @ mesh) * away).sum(axis=1) <= radius**2 * ROUNDING
    return planes * up + steps[inside].astype(np.int64) @ basis


def _complement(h: int, k: int, m: int) -> tuple[Int, Int]:
    """Basis (2, 3) of the lattice plane through the origin with normal (h, k, m), and a vector (3,)
    to the next plane."""
    if not h and not k:
        return np.array([[1, 0, 0], [0, 1, 0]]), np.array([0, 0, m])
    g, x, y = _bezout(h, k)
    _, u, w = _bezout(g, m)
    basis = np.array([[-k // g, h // g, 0], [-m * x, -m * y, g]])
    return basis, np.array([x * u, y * u, w])


def _bezout(a: int, b: int) -> tuple[int, int, int]:
    """gcd(a, b) and x, y with a x + b y = gcd."""
    x, y, u, v = 1, 0, 0, 1
    while b:
        q, a, b = a // b, b, a % b
        x, y, u, v = u, v, x - q * u, y - q * v
    return (a, x, y) if a > 0 else (-a, -x, -y)


def _fitting(metric: Float, a: Int, b: Int, c: Int) -> Iterator[tuple[Int, Int, Int]]:
    """Triples of each pair a, b (n, 3) with those of c (m, 3) that are reduced against it."""
    aa, bb, cc = _squares(a, metric), _squares(b, metric), _squares(c, metric)
    rows = max(1, AT_ONCE // max(len(c), 1))
    for start in range(0, len(a), rows):
        some = slice(start, start + rows)
        fits = abs(a[some] @ metric @ c.T) <= aa[some][:, None] * (0.5 * ROUNDING)
        fits &= abs(b[some] @ metric @ c.T) <= bb[some][:, None] * (0.5 * ROUNDING)
        fits &= bb[some][:, None] <= cc * ROUNDING
        i, j = np.nonzero(fits)
        yield a[some][i], b[some][i], c[j]


def _squares(vectors: Int, metric: Float) -> Float:
    return np.asarray(((vectors @ metric) * vectors).sum(axis=1), dtype=np.float64)
