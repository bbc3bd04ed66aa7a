"""Minimum-image distances and reduced bases against brute force and the original's values."""

import itertools

import numpy as np
import pytest
import torch

from sitenet.crystal.distances import atom_distances, lattice_points
from sitenet.crystal.lattice_reduction import minkowski
from sitenet.model.input_features import BOHR, pair_features

GRID = np.array(list(itertools.product(range(-9, 10), repeat=3)))


def skewed_lattice(random):
    """A lattice of moderate shape in a skewed basis."""
    shear = np.eye(3, dtype=int)
    shear[np.triu_indices(3, 1)] = random.integers(-2, 3, 3)
    return shear @ (random.normal(size=(3, 3)) + 3 * np.eye(3))


@pytest.mark.parametrize("seed", range(6))
def test_distances_are_the_shortest_of_all_images(seed):
    random = np.random.default_rng(seed)
    lattice, frac = skewed_lattice(random), random.random((4, 3))
    matrix = np.array([[2, 0, 1], [0, 1, 0], [-1, 0, 1]])
    points = lattice_points(matrix)
    found = atom_distances(lattice, frac, matrix)
    assert found.shape == (4, 4 * 3)
    translations = GRID @ matrix @ lattice
    for i, j, k in np.ndindex(4, 4, 3):
        apart = (frac[j] + points[k] - frac[i]) @ lattice
        nearest = np.linalg.norm(apart + translations, axis=1).min()
        assert found[i, 3 * j + k] == pytest.approx(nearest, abs=1e-12)


def test_only_a_site_itself_is_at_zero():
    random = np.random.default_rng(1)
    matrix = np.diag([2, 3, 1])
    found = atom_distances(skewed_lattice(random), random.random((5, 3)), matrix)
    assert [tuple(pair) for pair in np.argwhere(found == 0.0)] == [(i, 6 * i) for i in range(5)]
    assert found[found > 0].min() > 0.01


def test_chosen_rows_are_rows_of_the_whole():
    random = np.random.default_rng(2)
    lattice, frac, matrix = skewed_lattice(random), random.random((40, 3)), 4 * np.eye(3, dtype=int)
    rows = np.array([3, 17, 4])
    whole = atom_distances(lattice, frac, matrix)  # 40 x 2560: several blocks
    np.testing.assert_allclose(atom_distances(lattice, frac, matrix, rows), whole[rows], atol=1e-12)


def test_lattice_points_are_one_of_each_class():
    matrix = np.array([[3, -1, -1], [0, 3, -1], [1, 0, 2]])
    points = lattice_points(matrix)
    assert len(points) == round(abs(np.linalg.det(matrix)))
    assert not points[0].any()
    classes = points @ np.linalg.inv(matrix)
    apart = classes[:, None] - classes
    same = (abs(apart - np.rint(apart)) < 1e-9).all(axis=2)
    assert np.array_equal(same, np.eye(len(points), dtype=bool))


@pytest.mark.parametrize("seed", range(8))
def test_minkowski_rows_attain_the_successive_minima(seed):
    random = np.random.default_rng(seed)
    lattice = skewed_lattice(random) * random.uniform(0.3, 3, (3, 1))
    change = minkowski(lattice @ lattice.T)
    assert abs(round(np.linalg.det(change))) == 1
    vectors = GRID[np.argsort(np.linalg.norm(GRID @ change @ lattice, axis=1))]
    minima: list[np.ndarray] = []
    for vector in vectors:
        if np.linalg.matrix_rank(np.array([*minima, vector])) > len(minima):
            minima.append(vector)
        if len(minima) == 3:
            break
    expected = np.linalg.norm(np.array(minima) @ change @ lattice, axis=1)
    np.testing.assert_allclose(np.linalg.norm(change @ lattice, axis=1), expected, rtol=1e-9)


def test_long_needles_are_reduced():
    lattice = np.array([[1.0, 0, 0], [1000.3, 1.0, 0], [777.7, -555.2, 60.0]])
    change = minkowski(lattice @ lattice.T)
    lengths = np.linalg.norm(change @ lattice, axis=1)
    assert lengths[0] == pytest.approx(1.0)
    assert lengths[1] < 1.2
    assert lengths[2] < 61


def log_coulomb(first, second, distance):
    """The Coulomb feature of the model, from arrays."""
    arrays = np.broadcast_arrays(first, second, distance)
    z_i, z_j, d = (torch.tensor(np.ascontiguousarray(a)) for a in arrays)
    return pair_features("distance_coulomb", z_i, z_j, d)[..., 1].numpy()


def test_coulomb_equals_the_original(reference):
    with np.load(reference / "crystit_TiO2_rutile_N50.npz") as file:
        numbers, distances = file["prim_Z"], file["distances"]
        expected = file["log_coulomb_clipped"]
    columns = np.repeat(numbers, distances.shape[1] // len(numbers))
    found = log_coulomb(numbers[:, None], columns, distances)
    np.testing.assert_allclose(found, expected, atol=1e-14)


def test_coulomb_of_known_pairs():
    found = log_coulomb(np.array([1, 1, 8]), np.array([1, 99, 8]), np.array([BOHR, 1e3, 0.0]))
    expected = [0.0, np.log(99 * BOHR / 1e3), np.log(0.5 * 8**2.4)]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert log_coulomb(np.array(1), np.array(1), np.array(1e9)) == -10.0
