"""Every description of a crystal gives the same merged features."""

import numpy as np
import pytest
from example_crystals import (
    EXAMPLES,
    REDESCRIPTIONS,
    bench_crystals,
    cif_crystals,
    crystal,
    permuted,
    rebased,
)

from sitenet.crystal.featurise import MergedCrystal, featurise
from sitenet.options.features import FeatureSettings


def classes_of(merged: MergedCrystal):
    """Of each class: exact part (element, sites, pairs, counts) and sorted distances by element."""
    numbers = np.empty(len(merged.row_length), dtype=int)
    numbers[merged.site_class] = merged.numbers
    sizes = np.bincount(merged.site_class)
    cuts = np.cumsum(merged.row_length)[:-1]
    columns = zip(
        np.split(merged.pair_class, cuts),
        np.split(merged.pair_distance, cuts),
        np.split(merged.pair_count, cuts),
        strict=True,
    )
    for number, size, (neighbours, distance, count) in zip(numbers, sizes, columns, strict=True):
        element = np.repeat(numbers[neighbours], count)
        spread = np.repeat(distance, count)
        order = np.lexsort((spread, element))
        exact = (number, size, tuple(sorted(count)), tuple(element[order]))
        yield exact, spread[order]


def assert_same(one: MergedCrystal, other: MergedCrystal) -> None:
    assert one.images == other.images
    left = list(classes_of(other))
    for exact, distances in classes_of(one):
        match = [
            k
            for k, (its_exact, its_distances) in enumerate(left)
            if its_exact == exact and abs(its_distances - distances).max() < 1e-6
        ]
        assert match, f"no class like {exact[:2]}"
        left.pop(match[0])
    assert not left


def check(given, n_atoms, seed=0):
    settings = FeatureSettings(n_atoms=n_atoms, oxidation="given")
    first = featurise(given, settings)
    random = np.random.default_rng(seed)
    for redescribe in REDESCRIPTIONS:
        assert_same(first, featurise(redescribe(given, random), settings))


@pytest.mark.parametrize("n_atoms", [20, 50, 100])
@pytest.mark.parametrize("name", EXAMPLES)
def test_examples(name, n_atoms):
    check(EXAMPLES[name], n_atoms)


def test_real_crystals(shared):
    for given in bench_crystals(shared, every=3):
        check(given, 50)
        check(given, 200)


def test_crystals_from_cifs(reference):
    for given in cif_crystals(reference)[::2]:
        check(given, 100)


def test_a_near_translation(shared):
    """Ten carbon atoms of which half repeat the other half within 0.02 A, not within 0.01 A."""
    given = bench_crystals(shared)[85]
    assert len(featurise(given, FeatureSettings()).numbers) == 10
    for seed in range(5):
        check(given, 50, seed)


def test_charges_and_doubling():
    given = EXAMPLES["perovskite"]
    charged = crystal(given.lattice, given.numbers, given.frac, [2, 4, -2, -2, -2])
    settings = FeatureSettings(n_atoms=100, oxidation="given")
    merged = featurise(charged, settings)
    assert dict(zip(merged.numbers, merged.oxidation, strict=True)) == {38: 2, 22: 4, 8: -2}
    guessed = featurise(given, FeatureSettings(n_atoms=100, oxidation="guess"))
    np.testing.assert_array_equal(merged.oxidation, guessed.oxidation)
    check(charged, 100)


def test_the_greedy_rule_is_not_invariant():
    """Why `optimal` exists: the published rule depends on the description."""
    settings = FeatureSettings(n_atoms=50, supercell="greedy", oxidation="given")
    random = np.random.default_rng(0)
    given = EXAMPLES["rutile"]
    images = {featurise(rebased(given, random), settings).images for _ in range(5)}
    assert len(images) > 1
    assert_same(featurise(given, settings), featurise(permuted(given, random), settings))
