"""Cells that took minutes or gigabytes: long, flat and large ones, nearly symmetric ones."""

import time

import numpy as np
import pytest
import spglib
from example_crystals import crystal, primitive

from sitenet.crystal import merging, site_lookup, symmetry
from sitenet.crystal.featurise import featurise
from sitenet.crystal.primitive import primitive_cell
from sitenet.options.features import FeatureSettings


def slab(height, edge=4.9):
    frac = [[0, 0, 0.5], [0.5, 0.5, 0.5 + 1.5 / height], [0.5, 0, 0.5 + 2.5 / height],
            [0, 0.5, 0.5 - 1.7 / height]]  # fmt: skip
    return crystal(np.diag([edge, edge, height]), [14, 14, 8, 8], frac)


def cube(edge, without=0, noise=0.0):
    """`edge`^3 atoms of iron on a simple cubic lattice."""
    points = np.stack(np.meshgrid(*[np.arange(edge)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    moved = (
        points[without:] + np.random.default_rng(0).normal(size=(len(points) - without, 3)) * noise
    )
    return crystal(np.eye(3) * 3.3 * edge, [26] * len(moved), moved / edge)


CASES = {
    "slab of 120 A": (slab(120.0), 12),
    "slab of 240 A": (slab(240.0), 12),
    "slab of 1000 A": (slab(1000.0), 12),
    "flat": (crystal(np.diag([100, 100, 3.0]), [6, 7], [[0, 0, 0], [0.01, 0.01, 0.5]]), 25),
    "needle": (crystal(np.diag([1.0, 1.0, 1000.0]), [1], [[0, 0, 0]]), 50),
    "skew": (crystal([[900, 0, 0], [899.4, 0.6, 0], [3, 4, 500.0]], [6], [[0, 0, 0]]), 50),
    "cube of 512": (cube(8), 50),
    "cube of 1000": (cube(10), 50),
    "cube with a vacancy": (cube(8, without=1), 1),
    "disordered": (cube(8, noise=0.02), 1),
}


@pytest.mark.parametrize("name", CASES)
def test_no_cell_takes_long(name):
    given, images = CASES[name]
    start = time.process_time()
    merged = featurise(given, FeatureSettings(n_atoms=50))
    assert time.process_time() - start < 10
    assert merged.images == images


def test_greedy_supercells_of_long_cells():
    for given in (slab(1000.0), crystal(np.diag([100, 100, 3.0]), [6], [[0, 0, 0]])):
        start = time.process_time()
        featurise(given, FeatureSettings(n_atoms=50, supercell="greedy"))
        assert time.process_time() - start < 10


def test_operations_of_a_crystal_with_many_equal_atoms(monkeypatch):
    """More candidates than are tried: only sites with the same surroundings are."""
    given = cube(5, without=1)
    cells = [primitive(given)]
    monkeypatch.setattr(symmetry, "MANY", 1)
    cells.append(primitive(given))
    found = spglib.get_symmetry((given.lattice, given.frac, given.numbers), symprec=0.01)
    assert len(cells[0].rotations) == len(found["rotations"]) == 48
    for name in ("lattice", "frac", "rotations", "images"):
        assert np.array_equal(getattr(cells[0], name), getattr(cells[1], name))


@pytest.mark.parametrize("seed", range(3))
def test_sites_are_looked_up_as_by_comparing_all(seed, monkeypatch):
    random = np.random.default_rng(seed)
    lattice = random.normal(size=(3, 3)) * 4 + np.eye(3) * 9
    sites, species = random.random((300, 3)), np.sort(random.integers(3, size=300))
    of = random.integers(300, size=20)
    # each position near a site, of the same species or of another one
    landed = sites[(of + random.integers(-60, 61, size=(40, 20))) % 300]
    landed += random.normal(size=(40, 20, 3)) * 1e-3
    landed += random.integers(-2, 3, size=landed.shape)
    metric, reach = lattice @ lattice.T, 0.02
    index, square = site_lookup.SiteLookup(metric, sites, species, reach).nearest(landed, of)
    monkeypatch.setattr(site_lookup, "FEW", 1000)
    expected, exact = site_lookup.SiteLookup(metric, sites, species, reach).nearest(landed, of)
    near = exact <= reach**2
    assert near.any()
    assert not near.all()
    assert np.array_equal(species[index[near]], np.broadcast_to(species[of], index.shape)[near])
    assert np.array_equal(index[near], expected[near])
    np.testing.assert_allclose(square[near], exact[near], rtol=1e-9)
    assert (square[~near] > reach**2).all()


def test_what_is_no_group_is_told():
    turns = np.array([np.eye(3), -np.eye(3), np.diag([1, 1, -1])], dtype=np.int64)
    sites = np.zeros((3, 1), dtype=np.int64)

    def is_group(which):
        chosen = turns[which]
        return symmetry.is_group(
            chosen @ [1, 3, 9] @ [1, 3, 9],
            sites[which],
            lambda b: chosen @ chosen[b] @ [1, 3, 9] @ [1, 3, 9],
        )

    assert is_group([0])
    assert is_group([0, 1])
    assert is_group([2, 0])
    assert not is_group([0, 1, 2])
    assert not is_group([1])
    swapped = np.array([[1, 0], [0, 1]])  # by what should be the identity
    names = np.array([0, 1])
    assert not symmetry.is_group(names, swapped, lambda b: names ^ b)
    assert symmetry.is_group(names, swapped[::-1], lambda b: names ^ b)


def test_a_tolerance_that_no_group_fits_ends(monkeypatch):
    monkeypatch.setattr(symmetry, "is_group", lambda *_: False)
    given = cube(2)
    cell = primitive_cell(given.lattice, given.numbers, given.frac, given.oxidation, 0.01)
    assert len(cell.rotations) == 1


def test_rows_are_compared_as_one_by_one():
    random = np.random.default_rng(0)
    kinds = np.sort(random.random((7, 40)), axis=1)
    rows = kinds[random.integers(7, size=60)] + random.uniform(-4e-6, 4e-6, (60, 40))
    rows[3:6] += np.linspace(0, 2e-5, 3)[:, None]  # a chain of close rows
    first = merging._first_equal(rows, 1e-5)
    left = np.arange(60)
    while len(left):
        same = (abs(rows[left] - rows[left[0]]) <= 1e-5).all(axis=1)
        assert (first[left[same]] == left[0]).all()
        left = left[~same]
