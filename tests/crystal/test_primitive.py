"""Primitive cells and symmetry operations against spglib and known groups."""

import numpy as np
import pytest
import spglib
from example_crystals import (
    EXAMPLES,
    OPERATIONS,
    SITES,
    bench_crystals,
    crystal,
    doubled,
    noisy,
    primitive,
)

from sitenet.crystal.lattice_reduction import minkowski
from sitenet.crystal.primitive import PrimitiveCell


def asymmetry(cell: PrimitiveCell) -> float:
    """Largest deviation of sites (A) and metric (A^2) from the cell's own operations."""
    metric = cell.lattice @ cell.lattice.T
    offsets = cell.frac[cell.images] - cell.frac @ cell.rotations.transpose(0, 2, 1)
    offsets -= offsets[:, :1]
    offsets -= np.rint(offsets)
    turned = cell.rotations.transpose(0, 2, 1) @ metric @ cell.rotations
    return max(abs(offsets @ cell.lattice).max(), abs(turned - metric).max())


@pytest.mark.parametrize("name", EXAMPLES)
def test_known_groups(name):
    cell = primitive(EXAMPLES[name])
    assert len(cell.rotations) == OPERATIONS[name]
    assert len(cell.numbers) == SITES[name]
    assert asymmetry(cell) < 1e-12
    per_site = abs(np.linalg.det(cell.lattice)) / len(cell.numbers)
    given = EXAMPLES[name]
    assert per_site == pytest.approx(abs(np.linalg.det(given.lattice)) / len(given.numbers))


@pytest.mark.parametrize("name", ["rocksalt", "diamond", "rutile", "perovskite", "hcp"])
def test_noise_below_the_tolerance_is_projected_out(name):
    cell = primitive(noisy(EXAMPLES[name], 2e-3))
    assert len(cell.rotations) == OPERATIONS[name]
    assert len(cell.numbers) == SITES[name]
    assert asymmetry(cell) < 1e-12
    low = primitive(noisy(EXAMPLES[name], 2e-3), tolerance=1e-6)
    assert len(low.rotations) < OPERATIONS[name]


def test_distortion_above_the_tolerance_is_kept():
    given = EXAMPLES["perovskite"]
    moved = given.frac.copy()
    moved[1, 2] += 0.03 / 3.905  # polar displacement of Ti along c
    cell = primitive(crystal(given.lattice, given.numbers, moved))
    assert len(cell.rotations) == 8
    titanium, strontium = (cell.frac[cell.numbers == z][0] for z in (22, 38))
    apart = (titanium - strontium - 0.5) @ cell.lattice
    assert abs(apart).max() == pytest.approx(0.03, abs=1e-9)


def test_oxidation_states_tell_sites_apart():
    given = doubled(EXAMPLES["hcp"], np.random.default_rng(0))
    assert len(primitive(given).numbers) == 2
    charged = crystal(given.lattice, given.numbers, given.frac, [2, 2, 3, 3])
    cell = primitive(charged)
    assert sorted(cell.oxidation) == [2, 2, 3, 3]


def test_cell_is_niggli_reduced():
    for given in EXAMPLES.values():
        lattice = primitive(given).lattice
        lengths = np.sort(np.linalg.norm(lattice, axis=1))
        again = np.sort(np.linalg.norm(spglib.niggli_reduce(lattice), axis=1))
        np.testing.assert_allclose(lengths, again, rtol=1e-6)
        shortest = minkowski(lattice @ lattice.T) @ lattice
        np.testing.assert_allclose(lengths, np.linalg.norm(shortest, axis=1), rtol=1e-6)


def test_real_crystals_agree_with_spglib(shared):
    compared = 0
    for given in bench_crystals(shared):
        counts = set()
        for symprec in (0.003, 0.01, 0.03):
            found = spglib.get_symmetry_dataset(
                (given.lattice, given.frac, given.numbers), symprec=symprec
            )
            pure = (found.rotations == np.eye(3)).all(axis=(1, 2)).sum() if found else 1
            counts.add((len(found.rotations) // pure, pure) if found else None)
        if len(counts) > 1:  # between two symmetries: a matter of definition
            continue
        cell = primitive(given)
        assert (len(cell.rotations), len(given.numbers) // len(cell.numbers)) in counts
        assert asymmetry(cell) < 1e-11
        compared += 1
    assert compared >= 80
