"""Pair types of batches, however they came about, are those found pair by pair."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from brute_force_types import assert_right_types, brute_force_types, pair_keys
from example_crystals import EXAMPLES

from sitenet.crystal.distances import atom_distances
from sitenet.crystal.featurise import MergedCrystal, featurise
from sitenet.crystal.merging import sites_apart
from sitenet.model.infomax.false_samples import derangement, with_species
from sitenet.options.features import FeatureSettings
from sitenet.shards import row_groups
from sitenet.shards.batch import RaggedBatch, ragged_batch
from sitenet.shards.padding import Capacity, padded
from sitenet.shards.schema import open_writer, to_arrays, to_table
from sitenet.shards.store import CrystalStore
from sitenet.shards.streaming import StreamedStore


@pytest.fixture(scope="module")
def crystals() -> list[MergedCrystal]:
    """The example crystals, each twice, once with oxidation states of two kinds for an element."""
    settings = FeatureSettings(n_atoms=30)
    found = []
    for crystal in EXAMPLES.values():
        states = np.arange(len(crystal.numbers)) % 2 - 1.0
        found += [featurise(c, settings) for c in (crystal, replace(crystal, oxidation=states))]
    return found


@pytest.fixture(scope="module")
def shards(crystals, tmp_path_factory):
    """Two shards of several row groups."""
    folder = tmp_path_factory.mktemp("shards")
    paths = [folder / "a.parquet", folder / "b.parquet"]
    half = len(crystals) // 2
    for path, start in zip(paths, (0, half), strict=True):
        with open_writer(path) as writer:
            for k in range(start, start + half, 3):
                made = crystals[k : min(k + 3, start + half)]
                writer.write_table(to_table([str(k + j) for j in range(len(made))], made))
    return paths


def everything(store: CrystalStore | StreamedStore) -> torch.Tensor:
    """All crystals in random order."""
    return torch.from_numpy(np.random.default_rng(0).permutation(len(store)))


def test_batches_of_crystals_in_memory(crystals):
    store = CrystalStore.from_crystals([str(k) for k in range(len(crystals))], crystals)
    batch = store.batch(everything(store))
    assert_right_types(batch)
    assert 0 < len(batch.type_first) < len(batch.pair_row)
    for k in range(len(store)):
        alone = store.batch(torch.tensor([k]))
        assert_right_types(alone)
        assert len(alone.type_first) == store.types[k]


@pytest.mark.parametrize("sites_apart", [None, 1e-5])
@pytest.mark.parametrize("chunk", [1, 200, row_groups.CHUNK])
def test_batches_of_shards(monkeypatch, shards, sites_apart, chunk):
    monkeypatch.setattr(row_groups, "CHUNK", chunk)
    store = CrystalStore.from_shards(shards, {str(k) for k in range(1, 9)}, sites_apart)
    batch = store.batch(everything(store))
    assert_right_types(batch)
    assert store.types.sum() == len(batch.type_first)


@pytest.mark.parametrize("sites_apart", [None, 1e-5])
def test_streamed_batches(shards, sites_apart):
    store = StreamedStore(shards, None, 1, sites_apart)
    whole = CrystalStore.from_shards(shards, None, sites_apart)
    assert (store.types >= whole.types).all()
    for window in store.windows(np.arange(len(store)), (0, 1)):
        store.hold(window.groups)
        assert_right_types(store.batch(torch.from_numpy(window.members).flip(0)))


@pytest.mark.parametrize("distance", [0.5, 3.0, 5.0, 100.0])
def test_within_a_cutoff(crystals, distance):
    store = CrystalStore.from_crystals([str(k) for k in range(len(crystals))], crystals)
    batch, kept = store.batch(everything(store)).within(distance)
    assert_right_types(batch)
    assert kept.sum() == len(batch.pair_type)


def whole_batch(crystals) -> RaggedBatch:
    return ragged_batch([(c.numbers, c.oxidation, c) for c in crystals])


def test_double_precision_tells_more_distances_apart(crystals):
    shaken = [
        replace(c, pair_distance=c.pair_distance + 1e-12 * np.arange(len(c.pair_distance)))
        for c in crystals
    ]
    double = whole_batch(shaken)
    assert_right_types(double)
    single = double.cast(torch.float32)
    assert_right_types(single)
    assert len(single.type_first) < len(double.type_first)
    assert_right_types(single.cast(torch.float64))


@pytest.mark.parametrize("room", [(1, 0, 1, 0), (3, 0, 2, 5), (4, 9, 1, 1), (2, 30, 2, 7),
                                  (5, 3, 1, 8)])  # fmt: skip
def test_padded_batches(crystals, room):
    batch = whole_batch(crystals)
    rows, pairs, added, types = room
    more = padded(batch, Capacity(
        len(batch.numbers) + rows, len(batch.pair_row) + pairs, len(batch.sizes) + added,
        len(batch.type_first) + types,
    ))  # fmt: skip
    first, count = len(batch.pair_type), len(batch.type_first)
    assert torch.equal(more.pair_type[:first], batch.pair_type)
    assert torch.equal(more.type_first[:count], batch.type_first)
    assert len(more.type_first) == count + types
    assert (more.type_first.diff() >= 0).all()
    named = more.pair_type[first:].unique()
    assert (named >= count).all()
    assert len(named) == min(types, pairs)
    alike = [key[2:] for key in pair_keys(more)]  # padding pairs are alike in any crystal
    of_type = more.type_first[more.pair_type].tolist()
    assert [alike[place] for place in of_type] == alike
    sizes = torch.bincount(more.pair_type[first:])[count:]
    assert sizes.numel() == 0 or sizes.max() - sizes[sizes > 0].min() <= 1


def test_false_crystals(crystals):
    parts = [
        (c.numbers, c.oxidation,
         sites_apart(atom_distances(c.lattice, c.frac, c.supercell), c.images, 1e-5))
        for c in crystals
    ]  # fmt: skip
    apart = ragged_batch(parts).cast(torch.float32)
    assert_right_types(apart)
    generator = torch.Generator().manual_seed(0)
    for donors in (derangement(len(crystals), generator), torch.arange(len(crystals))):
        false = with_species(apart, donors, generator)
        assert_right_types(false)
        assert brute_force_types(false) != brute_force_types(apart)


def test_types_of_a_crystal_do_not_depend_on_the_others(crystals):
    store = CrystalStore.from_crystals([str(k) for k in range(len(crystals))], crystals)
    chosen = torch.arange(len(crystals)).repeat(2)
    batch = store.batch(chosen)
    ends = np.cumsum([0, *store.types[chosen].tolist()])
    for place, (begin, end) in enumerate(pairwise(ends)):
        mine = batch.pair_type[batch.crystal[batch.pair_row] == place]
        alone = store.batch(chosen[place : place + 1]).pair_type
        assert torch.equal(mine - begin, alone)
        assert mine.max() == end - 1


def test_crystals_with_many_types_beside_small_ones():
    """More types than int16 can number."""
    sites, atoms = 200, 170
    random = np.random.default_rng(0)
    large = MergedCrystal(
        lattice=np.eye(3), numbers=np.full(sites, 8), frac=random.random((sites, 3)),
        oxidation=np.zeros(sites), supercell=np.eye(3, dtype=int), images=1,
        site_class=np.arange(sites), row_length=np.full(sites, atoms),
        pair_class=random.integers(0, sites, sites * atoms),
        pair_distance=random.permutation(sites * atoms).astype(float),
        pair_count=np.ones(sites * atoms, dtype=int),
    )  # fmt: skip
    small = featurise(EXAMPLES["perovskite"], FeatureSettings(n_atoms=30))
    store = CrystalStore([to_arrays([name], [crystal]) for name, crystal in
                          (("a", small), ("b", large), ("c", small))])  # fmt: skip
    assert store.types[1] == sites * atoms > 1 << 15
    assert_right_types(store.batch(torch.tensor([2, 1, 0])))
