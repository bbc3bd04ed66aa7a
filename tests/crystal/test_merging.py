"""Merged sites and pairs stand for all sites and pairs of the supercell."""

import numpy as np
import pytest
from example_crystals import EXAMPLES, bench_crystals, crystal, noisy, primitive
from merging_error import largest_error

from sitenet.crystal.distances import atom_distances
from sitenet.crystal.featurise import featurise
from sitenet.crystal.merging import merge_pairs, unmerged
from sitenet.crystal.supercell import optimal_supercell
from sitenet.options.features import FeatureSettings
from sitenet.structure.rejection import RejectedCrystal

TOLERANCE = 1e-5


def full(given, n_atoms):
    cell = primitive(given)
    supercell = optimal_supercell(cell, n_atoms)
    return cell, supercell, atom_distances(cell.lattice, cell.frac, supercell.matrix)


@pytest.mark.parametrize("name", EXAMPLES)
def test_nothing_is_lost(name):
    cell, supercell, distances = full(EXAMPLES[name], 60)
    images = supercell.images
    merged = merge_pairs(cell.numbers, cell.oxidation, distances, images, TOLERANCE)
    assert largest_error(merged, distances, images) < 1e-9
    assert merged.pair_count.sum() == len(merged.row_length) * distances.shape[1]
    assert (merged.pair_count[merged.pair_distance == 0.0] == 1).all()
    assert (merged.pair_distance == 0.0).sum() == len(merged.row_length)
    plain = unmerged(cell.numbers, cell.oxidation, distances, images)
    assert largest_error(plain, distances, images) == 0.0


def test_high_symmetry_merges():
    cell, supercell, distances = full(EXAMPLES["rocksalt"], 64)
    merged = merge_pairs(cell.numbers, cell.oxidation, distances, supercell.images, TOLERANCE)
    assert merged.row_length.tolist() == [10, 10]  # 0 <= x <= y <= z <= 2 half-edges
    cell, supercell, distances = full(EXAMPLES["diamond"], 64)
    merged = merge_pairs(cell.numbers, cell.oxidation, distances, supercell.images, TOLERANCE)
    assert merged.site_class.tolist() == [0, 0]


def test_oxidation_splits_classes():
    cell, supercell, distances = full(EXAMPLES["diamond"], 32)
    charges = np.array([1.0, -1.0])
    merged = merge_pairs(cell.numbers, charges, distances, supercell.images, TOLERANCE)
    assert merged.site_class.tolist() == [0, 1]


def test_refinement_sees_what_lies_behind_the_neighbours():
    """A ring of equal atoms with one marked: sites differ by how far the marked one is."""
    positions = np.arange(7)
    distances = np.minimum(
        abs(positions[:, None] - positions), 7 - abs(positions[:, None] - positions)
    )
    numbers = np.array([8, 6, 6, 6, 6, 6, 6])
    merged = merge_pairs(numbers, np.zeros(7), distances.astype(float), 1, TOLERANCE)
    assert merged.site_class.tolist() == [0, 1, 2, 3, 3, 2, 1]


def test_refinement_goes_on_until_nothing_changes():
    """A chain whose atoms tell neighbours (1) from others (2): each round splits one class more.

    Ends first, then their neighbours, then theirs.
    """
    positions = np.arange(7)
    steps = abs(positions[:, None] - positions)
    distances = np.minimum(steps, 2).astype(float)
    merged = merge_pairs(np.full(7, 6), np.zeros(7), distances, 1, TOLERANCE)
    assert merged.site_class.tolist() == [0, 1, 2, 3, 2, 1, 0]
    assert largest_error(merged, distances, 1) == 0.0


def test_sites_whose_distances_all_differ_by_nearly_the_tolerance_are_equal():
    """Sums over many atoms differ by far more than the tolerance; they only rule out the rest."""
    first = np.concatenate([[0.0], np.linspace(2, 9, 19)])
    second = np.roll(first + 0.9 * TOLERANCE, 10)
    second[10] = 0.0
    distances = np.stack([first, second])
    merged = merge_pairs(np.array([6, 6]), np.zeros(2), distances, 10, TOLERANCE)
    assert merged.site_class.tolist() == [0, 0]
    assert largest_error(merged, distances, 10) <= 2 * TOLERANCE


def test_sites_with_equal_sums_of_distances_are_told_apart():
    distances = np.array([[0.0, 3.0, 3.0, 4.0], [2.0, 4.0, 0.0, 4.0]])
    merged = merge_pairs(np.array([6, 6]), np.zeros(2), distances, 2, TOLERANCE)
    assert merged.site_class.tolist() == [0, 1]


@pytest.mark.parametrize("tolerance", [1e-5, 1e-3, 3e-2])
def test_error_stays_below_twice_the_tolerance(tolerance):
    worst = 0.0
    for name in ("rutile", "perovskite", "diamond"):
        given = noisy(EXAMPLES[name], 0.02, seed=3)
        cell = primitive(given, tolerance=1e-8)
        supercell = optimal_supercell(cell, 200)
        distances = atom_distances(cell.lattice, cell.frac, supercell.matrix)
        merged = merge_pairs(cell.numbers, cell.oxidation, distances, supercell.images, tolerance)
        worst = max(worst, largest_error(merged, distances, supercell.images))
    assert worst <= 2 * tolerance
    assert (worst > 1e-4) == (tolerance >= 1e-3)  # the noise was really merged away


def test_a_chain_of_near_distances_is_cut():
    distances = np.concatenate([[0.0], 2.0 + 0.6 * TOLERANCE * np.arange(50)])[None]
    merged = merge_pairs(np.array([6]), np.zeros(1), distances, 51, TOLERANCE)
    assert largest_error(merged, distances, 51) <= TOLERANCE
    assert 20 <= merged.row_length[0] <= 32


def test_symmetry_gives_the_classes_that_comparing_all_rows_gives(shared):
    for given in bench_crystals(shared, every=4):
        cell, supercell, distances = full(given, 100)
        rows, orbits, _ = supercell.orbits
        whole = merge_pairs(cell.numbers, cell.oxidation, distances, supercell.images, TOLERANCE)
        short = merge_pairs(
            cell.numbers, cell.oxidation, distances[rows], supercell.images, TOLERANCE, orbits
        )
        for one, other in zip(vars(whole).values(), vars(short).values(), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-9)


def test_elements_without_a_value():
    helium = crystal(EXAMPLES["hcp"].lattice, [2, 2], EXAMPLES["hcp"].frac)
    assert featurise(helium, FeatureSettings()).images == 50
    with pytest.raises(RejectedCrystal, match="He has no Magpie Electronegativity"):
        featurise(helium, FeatureSettings(missing_elements="drop"))


def test_elements_beyond_the_tables():
    fermium = crystal(EXAMPLES["hcp"].lattice, [100, 100], EXAMPLES["hcp"].frac)
    with pytest.raises(RejectedCrystal, match="heavier than einsteinium"):
        featurise(fermium, FeatureSettings(oxidation="given"))
