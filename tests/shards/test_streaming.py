"""Data sets larger than memory: the same crystals, batches and predictions as from memory."""

import itertools
import pickle
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from rock_salts import MODEL, TRAINING, outputs

from sitenet.crystal.featurise import featurise
from sitenet.options.features import FeatureSettings
from sitenet.progress import setup_logging
from sitenet.shards.open_store import open_both, open_store
from sitenet.shards.schema import open_writer, to_table
from sitenet.shards.store import CrystalStore
from sitenet.shards.streaming import CLASS_BYTES, GEOMETRY_BYTES, PAIR_BYTES, StreamedStore
from sitenet.structure.cif import Crystal
from sitenet.train.batches import Packs
from sitenet.train.supervised import train

SHARDS, GROUPS, CRYSTALS = 3, 4, 7
APART = 1e-5


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Shards of several row groups of random crystals with 1 to 6 sites."""
    folder = tmp_path_factory.mktemp("shards")
    random = np.random.default_rng(0)
    number = itertools.count()
    paths = []
    for shard in range(SHARDS):
        paths.append(folder / f"part-{shard:03d}.parquet")
        with open_writer(paths[-1]) as writer:
            for _ in range(GROUPS):
                made = [
                    featurise(
                        Crystal(
                            np.diag(random.uniform(4, 6, 3)),
                            random.integers(1, 90, sites),
                            random.random((sites, 3)),
                            np.zeros(sites),
                            "",
                        ),
                        FeatureSettings(n_atoms=20),
                    )
                    for sites in random.integers(1, 7, CRYSTALS)
                ]
                writer.write_table(to_table([f"c{next(number)}" for _ in made], made))
    return paths


def small(shards: list[Path], keep: set[str] | None = None) -> StreamedStore:
    """A streamed store with room for about three row groups at a time."""
    whole = StreamedStore(shards, keep, 1)
    return StreamedStore(shards, keep, 4 * 3 * int(whole.bytes.mean()))


def test_what_is_known_of_all_crystals_is_what_the_store_knows(shards):
    streamed, whole = small(shards), CrystalStore.from_shards(shards)
    assert len(streamed) == len(whole) == SHARDS * GROUPS * CRYSTALS
    assert streamed.ids == whole.ids
    assert streamed.index == whole.index
    for name in ("sites", "atoms", "classes", "pairs"):
        torch.testing.assert_close(getattr(streamed, name), getattr(whole, name))


def test_the_size_is_at_least_that_of_the_tensors(shards):
    whole = CrystalStore.from_shards(shards)
    crystals = 7 * 8 * len(whole)
    tensors = {v.data_ptr(): v for v in vars(whole).values() if isinstance(v, torch.Tensor)}
    real = sum(t.numel() * t.element_size() for t in tensors.values())
    pairs, classes, types = (int(x.sum()) for x in (whole.pairs, whole.classes, whole.types))
    # Types of these small crystals are 2 bytes a pair, and 4 for the distance of each.
    assert real - crystals == pytest.approx(CLASS_BYTES * classes + 6 * pairs + 4 * types, rel=0.01)
    limit = StreamedStore(shards, None, 1).bytes.sum()
    assert limit == CLASS_BYTES * classes + PAIR_BYTES * pairs
    assert real - crystals <= limit


@pytest.mark.parametrize("seed", [None, 0])
def test_an_epoch_has_every_crystal_once_and_the_batches_of_the_store(shards, seed):
    keep = {f"c{k}" for k in range(80) if k % 5}
    streamed, whole = small(shards, keep), CrystalStore.from_shards(shards, keep)
    indices = torch.arange(1, len(whole), 2)
    packs = Packs(streamed, indices, batch_sites=10, shuffle=seed)
    seen = []
    for crystals, _ in packs.packs():
        assert_equal_batches(streamed.batch(crystals), whole.batch(crystals))
        both = crystals, crystals.flip(0)
        for made, part in zip(streamed.batches(both), both, strict=True):
            assert_equal_batches(made, whole.batch(part))
        seen += crystals.tolist()
    assert sorted(seen) == indices.tolist()
    assert len(packs._plan()) > 2
    assert len(packs) == sum(1 for _ in packs.packs())


def test_shuffled_windows_mix_the_shards_anew_in_every_epoch(shards):
    streamed = small(shards)
    everyone = np.arange(len(streamed))
    first, again, other = (streamed.windows(everyone, (0, epoch)) for epoch in (0, 0, 1))
    assert [w.groups for w in first] == [w.groups for w in again]
    assert [w.groups for w in first] != [w.groups for w in other]
    assert any(len({group // GROUPS for group in w.groups}) > 1 for w in first)
    in_order = [group for w in streamed.windows(everyone, None) for group in w.groups]
    assert in_order == list(range(SHARDS * GROUPS))


def test_crystals_that_are_not_held_are_refused(shards):
    streamed = small(shards)
    with pytest.raises(LookupError, match="hold"):
        streamed.batch(torch.tensor([0]))
    streamed.hold((1,))
    with pytest.raises(LookupError, match="hold"):
        streamed.batch(torch.tensor([0]))
    assert streamed.batch(torch.tensor([CRYSTALS])).sizes.numel() == 1


def test_another_process_gets_a_store_of_its_own(shards):
    streamed = small(shards)
    streamed.hold((0,), (1,))
    copy = pickle.loads(pickle.dumps(streamed))
    copy.hold((2,))
    crystal = torch.tensor([2 * CRYSTALS])
    assert copy.batch(crystal).sizes == CrystalStore.from_shards(shards).batch(crystal).sizes


def test_only_what_does_not_fit_is_streamed(shards):
    size = int(StreamedStore(shards, None, 1).bytes.sum())
    assert isinstance(open_store(shards, None, size), CrystalStore)
    assert isinstance(open_store(shards, None, size - 1), StreamedStore)
    with pytest.raises(ValueError, match="no crystal"):
        open_store(shards, set(), size)


def test_the_geometry_of_sites_is_streamed_too(tmp_path):
    settings = FeatureSettings(n_atoms=20, site_geometry=True)
    random, shard = np.random.default_rng(3), tmp_path / "part.parquet"
    with open_writer(shard, settings.site_geometry) as writer:
        for group in range(2):
            cells = [Crystal(np.diag(random.uniform(4, 6, 3)), np.array([8, 22, 8]),
                             random.random((3, 3)), np.zeros(3), "") for _ in range(3)]  # fmt: skip
            names = [f"c{group}{k}" for k in range(3)]
            writer.write_table(to_table(names, [featurise(cell, settings) for cell in cells]))
    whole, streamed = CrystalStore.from_shards([shard]), StreamedStore([shard], None, 1)
    pairs, classes = int(whole.pairs.sum()), int(whole.classes.sum())
    assert streamed.bytes.sum() == (CLASS_BYTES + GEOMETRY_BYTES) * classes + PAIR_BYTES * pairs
    streamed.hold((1,))
    crystals = torch.tensor([3, 5])
    assert streamed.batch(crystals).geometry.shape[1] * 4 == GEOMETRY_BYTES
    assert_equal_batches(streamed.batch(crystals), whole.batch(crystals))


def assert_equal_batches(found, expected):
    for field in fields(expected):
        torch.testing.assert_close(getattr(found, field.name), getattr(expected, field.name))


def test_crystals_with_sites_apart_are_streamed_too(shards):
    whole = CrystalStore.from_shards(shards, None, APART)
    streamed = StreamedStore(shards, None, 1, APART)
    assert streamed.ids == whole.ids
    for name in ("sites", "atoms", "classes"):
        torch.testing.assert_close(getattr(streamed, name), getattr(whole, name))
    assert (streamed.pairs >= whole.pairs).all()
    assert torch.equal(streamed.pairs, whole.sites * whole.atoms)
    for window in streamed.windows(np.arange(len(whole)), (0, 1)):
        streamed.hold(window.groups)
        crystals = torch.from_numpy(window.members)
        assert_equal_batches(streamed.batch(crystals), whole.batch(crystals))


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_both_tables_have_the_same_crystals_in_memory(shards, share):
    keep = {f"c{k}" for k in range(80) if k % 5}
    tables = [StreamedStore(shards, keep, 1, apart) for apart in (None, APART)]
    size = sum(int(table.bytes.sum()) for table in tables)
    both = open_both(shards, keep, round(share * size), APART)
    assert isinstance(both.merged, CrystalStore) == (share == 1)
    merged, apart = (CrystalStore.from_shards(shards, keep, t) for t in (None, APART))
    with pytest.raises(ValueError, match="no crystal"):
        open_both(shards, set(), size, APART)
    packs = Packs(both, torch.arange(len(both)), batch_sites=10, shuffle=0)
    assert len(packs) == sum(1 for _ in packs.packs())
    seen = []
    for crystals, _ in packs.packs():
        found = both.batch(crystals)
        for batch, table in zip(found, (merged, apart), strict=True):
            assert_equal_batches(batch, table.batch(crystals))
        seen += crystals.tolist()
    assert sorted(seen) == list(range(len(both)))
    windows = both.windows(np.arange(len(both)), (0, 0))
    assert (len(windows) > 2) == (share < 1)
    for window in windows:
        held = sum(int(table.bytes[list(window.groups)].sum()) for table in tables)
        assert share == 1 or len(window.groups) == 1 or 4 * held <= share * size


def test_a_streamed_run_learns_and_is_repeated_exactly(
    labelled,
    tmp_path: Path,
):
    """One row group of 55 crystals is cut into many, and a tenth of them fit."""
    setup_logging(tmp_path / "log")
    cut = tmp_path / "cut.parquet"
    table = pq.read_table(labelled.shards[0])
    with open_writer(cut) as writer:
        for start in range(0, len(table), 5):
            writer.write_table(table.slice(start, 5))
    streaming = replace(labelled, shards=(cut,))
    settings = replace(TRAINING, memory_gib=5e-6)
    folders = []
    for name, given, how in (("memory", labelled, TRAINING), ("a", streaming, settings),
                             ("b", streaming, settings)):  # fmt: skip
        folders.append(tmp_path / name)
        folders[-1].mkdir()
        train(given, outputs(folders[-1]), MODEL, how)
    memory, first, second = (pd.read_parquet(f / "predictions.parquet") for f in folders)
    pd.testing.assert_frame_equal(first, second)
    assert memory.id.tolist() == first.id.tolist()
    assert memory.target.tolist() == first.target.tolist()
    assert "shards are read again in every epoch" in (tmp_path / "log").read_text()
    test = first[first.split == "test"]
    error = (test.prediction - test.target).abs().mean()
    assert error < 0.5 * (test.target - test.target.mean()).abs().mean()
