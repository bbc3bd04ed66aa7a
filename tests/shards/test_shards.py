"""Shards, the store, and batches: what is read back is what was featurised."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from hostile import featurise_or_die
from structure_tables import write_structures

from sitenet.crystal.featurise import featurise
from sitenet.options.features import FeatureSettings
from sitenet.shards import guarded, passes
from sitenet.shards.batch import ragged_batch
from sitenet.shards.featurise_shard import build_shard
from sitenet.shards.packing import pack
from sitenet.shards.schema import GEOMETRY, has_geometry
from sitenet.shards.store import CrystalStore, Window
from sitenet.sources.rejection_limit import TooManyRejected
from sitenet.structure.cif import Crystal
from sitenet.tables import DamagedTable

SETTINGS = FeatureSettings(n_atoms=30)


def crystal(symbols: list[int], edge: float, frac: list[list[float]]) -> Crystal:
    return Crystal(
        lattice=np.diag([edge, edge, edge * 1.1]),
        numbers=np.array(symbols),
        frac=np.array(frac, dtype=float),
        oxidation=np.zeros(len(symbols)),
        note="",
    )


CRYSTALS = {
    "CsCl": crystal([55, 17], 4.1, [[0, 0, 0], [0.5, 0.5, 0.5]]),
    "Fe": crystal([26], 2.9, [[0, 0, 0]]),
    "SrTiO3": crystal([38, 22, 8, 8, 8], 3.9, [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0],
                                               [0.5, 0, 0.5], [0, 0.5, 0.5]]),
    "low": crystal([8, 8, 14, 1], 5.0, [[0, 0, 0], [0.31, 0.17, 0.23], [0.6, 0.55, 0.4],
                                        [0.8, 0.2, 0.71]]),
}  # fmt: skip


@pytest.fixture
def structures(tmp_path: Path) -> Path:
    """A structures.parquet whose third crystal has no featurisable element."""
    rows = dict(CRYSTALS)
    rows = {**dict(list(rows.items())[:2]), "Fm": crystal([100], 3.0, [[0, 0, 0]]), **rows}
    return write_structures(tmp_path / "structures.parquet", rows, row_group=2)


def test_shards_hold_what_was_featurised(structures: Path, tmp_path: Path):
    shards = [tmp_path / f"part-{k}.parquet" for k in range(2)]
    for k, shard in enumerate(shards):
        build_shard(structures, k, 2, SETTINGS, shard, tmp_path / f"{k}.csv", workers=1)
    assert CrystalStore.from_shards(shards).ids == ["CsCl", "Fe", "SrTiO3", "low"]
    rejected = list(csv.DictReader((tmp_path / "0.csv").open()))
    rejected += list(csv.DictReader((tmp_path / "1.csv").open()))
    assert [row["id"] for row in rejected] == ["Fm"]
    assert "einsteinium" in rejected[0]["reason"]
    table = pd.concat([pd.read_parquet(shard) for shard in shards]).set_index("id")
    for name, given in CRYSTALS.items():
        expected, row = featurise(given, SETTINGS), table.loc[name]
        assert row.n_atoms == row.images * row.n_sites <= SETTINGS.n_atoms
        for column in ("numbers", "site_class", "row_length", "pair_class", "pair_count"):
            np.testing.assert_array_equal(row[column], getattr(expected, column))
        np.testing.assert_allclose(row.pair_distance, expected.pair_distance, atol=1e-6)
        np.testing.assert_array_equal(np.reshape(row.lattice, (3, 3)), expected.lattice)
        counts = np.add.reduceat(row.pair_count, np.cumsum(row.row_length) - row.row_length)
        assert (counts == row.n_atoms).all()


def test_too_many_that_cannot_be_featurised_stop_the_run(tmp_path: Path):
    names = ["CsCl", "Fm1", "Fm2", "Fe"]
    rows = {name: CRYSTALS.get(name, crystal([100], 3.0, [[0, 0, 0]])) for name in names}
    structures = write_structures(tmp_path / "structures.parquet", rows)
    shard, rejected = tmp_path / "part.parquet", tmp_path / "part.rejected.csv"
    build_shard(structures, 0, 1, SETTINGS, shard, rejected, max_rejected_fraction=0.5)
    shard.unlink()
    with pytest.raises(TooManyRejected, match=r"2 of 4 .*50\.0%.*allows 40\.0%.*einsteinium"):
        build_shard(structures, 0, 1, SETTINGS, shard, rejected, max_rejected_fraction=0.4)
    assert not shard.exists()
    listed = pd.read_csv(tmp_path / "part.rejected-too-many.csv")
    assert listed.id.tolist() == ["Fm1", "Fm2"]


def test_one_crystal_alone_never_stops_the_run(structures: Path, tmp_path: Path):
    shard = tmp_path / "part.parquet"
    build_shard(structures, 0, 1, SETTINGS, shard, tmp_path / "r.csv", max_rejected_fraction=0.0)
    assert len(CrystalStore.from_shards([shard])) == len(CRYSTALS)


def test_several_processes_write_the_same_shard(structures: Path, tmp_path: Path):
    contents = []
    for workers in (1, 2):
        shard = tmp_path / f"{workers}.parquet"
        build_shard(structures, 0, 1, SETTINGS, shard, tmp_path / "r.csv", workers)
        contents.append(shard.read_bytes())
    assert contents[0] == contents[1]


def test_shards_with_the_geometry_of_sites(structures: Path, tmp_path: Path):
    """One column more; all others as without."""
    plain, more = tmp_path / "plain.parquet", tmp_path / "more.parquet"
    build_shard(structures, 0, 1, SETTINGS, plain, tmp_path / "r.csv")
    settings = replace(SETTINGS, site_geometry=True)
    build_shard(structures, 0, 1, settings, more, tmp_path / "r.csv")
    tables = [pq.read_table(path) for path in (plain, more)]
    assert not has_geometry(plain)
    assert has_geometry(more)
    assert tables[1].drop_columns([GEOMETRY]).equals(tables[0])
    merged = [featurise(crystal, settings) for crystal in CRYSTALS.values()]
    whole = torch.tensor(np.concatenate([one.geometry for one in merged])).float()
    store = CrystalStore.from_shards([more])
    assert torch.equal(store.batch(torch.arange(4)).geometry, whole)
    some = CrystalStore.from_shards([more], keep={"low", "Fe"})
    assert torch.equal(
        some.batch(torch.arange(2)).geometry, whole[[2, *range(len(whole) - 4, len(whole))]]
    )
    none = CrystalStore.from_shards([plain]).batch(torch.arange(4))
    assert none.geometry.shape == (len(whole), 0)
    with pytest.raises(ValueError, match="some of the shards have site geometry, others none"):
        CrystalStore.from_shards([plain, more])
    apart = CrystalStore.from_shards([more], sites_apart=1e-5).batch(torch.arange(4))
    assert apart.geometry.shape == (12, 0)


def test_store_batches_equal_batches_of_single_crystals():
    names = list(CRYSTALS)
    merged = [featurise(c, SETTINGS) for c in CRYSTALS.values()]
    store = CrystalStore.from_crystals(names, merged)
    chosen = [3, 0, 2]
    batch = store.batch(torch.tensor(chosen))
    expected = ragged_batch([(merged[k].numbers, merged[k].oxidation, merged[k]) for k in chosen])
    for name, tensor in vars(expected.cast(torch.float32)).items():
        torch.testing.assert_close(getattr(batch, name), tensor, msg=name)
    assert store.pairs.tolist() == [len(m.pair_class) for m in merged]


@pytest.mark.parametrize("parts", [[[3, 0, 2]], [[2], [0, 3], [1]], [[0, 1], [1, 0], [3, 2, 0]]])
def test_batches_made_at_once_are_those_made_one_by_one(parts: list[list[int]]):
    merged = [featurise(c, SETTINGS) for c in CRYSTALS.values()]
    store = CrystalStore.from_crystals(list(CRYSTALS), merged)
    chosen = [torch.tensor(part) for part in parts]
    for made, part in zip(store.batches(chosen), chosen, strict=True):
        for name, tensor in vars(store.batch(part)).items():
            assert torch.equal(getattr(made, name), tensor), name
            assert getattr(made, name).dtype == tensor.dtype


def test_batches_in_groups_are_the_batches_in_turn(monkeypatch: pytest.MonkeyPatch):
    """Of a pass over two windows: groups keep their order, and do not reach across windows."""
    pairs = np.array([3, 4, 5, 20, 1, 1, 6])
    batches = [np.array(batch) for batch in ([0, 1], [2], [3], [4, 5], [6])]
    plan = [(Window((0,), np.arange(4)), batches[:3]), (Window((1,), np.arange(4, 7)), batches[3:])]
    held: list[tuple[int, ...]] = []

    class Held:
        def hold(self, groups: tuple[int, ...], upcoming: tuple[int, ...]) -> None:
            held.append(groups)

    monkeypatch.setattr(passes, "PAIRS_AT_ONCE", 12)
    found, windows = [], []
    for group in passes.planned_groups(Held(), plan, pairs):  # type: ignore[arg-type]
        found.append([batch.tolist() for batch in group])
        windows.append(held[-1])
    assert found == [[[0, 1], [2]], [[3]], [[4, 5], [6]]]
    assert windows == [(0,), (0,), (1,)]


def test_a_damaged_shard_is_named(structures: Path, tmp_path: Path):
    shard = tmp_path / "part.parquet"
    build_shard(structures, 0, 1, SETTINGS, shard, tmp_path / "r.csv")
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(DamagedTable, match=r"part\.parquet is damaged .*delete it"):
        CrystalStore.from_shards([shard])
    with pytest.raises(DamagedTable, match="another version of the format"):
        CrystalStore.from_shards([structures])


@pytest.mark.parametrize("seed", [None, (0, 3)])
def test_batches_hold_every_crystal_once_and_are_nearly_full(seed):
    sizes = np.random.default_rng(1).integers(1, 60, 2000)
    sizes[7] = 500  # above the limit: a batch of its own
    batches = pack(sizes, 400, seed)
    assert sorted(np.concatenate(batches)) == list(range(2000))
    filled = np.array([sizes[batch].sum() for batch in batches])
    assert (filled > 400).sum() == 1
    assert filled.mean() > (0.98 if seed else 0.9) * 400
    again = pack(sizes, 400, seed)
    assert all(np.array_equal(a, b) for a, b in zip(batches, again, strict=True))


def test_epochs_are_packed_differently():
    sizes = np.random.default_rng(1).integers(1, 60, 100)
    first, second = (np.concatenate(pack(sizes, 300, (0, epoch))) for epoch in (0, 1))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_crystal_that_crashes_its_process_is_listed(
    workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(guarded, "in_kinds", featurise_or_die)
    gases = {"He": crystal([2], 3.0, [[0, 0, 0]]), "Ne": crystal([10], 3.0, [[0, 0, 0]])}
    structures = write_structures(tmp_path / "structures.parquet", {**gases, **CRYSTALS})
    shard, rejected = tmp_path / "part.parquet", tmp_path / "rejected.csv"
    build_shard(structures, 0, 1, SETTINGS, shard, rejected, workers)
    assert CrystalStore.from_shards([shard]).ids == list(CRYSTALS)
    rows = {row["id"]: row["reason"] for row in csv.DictReader(rejected.open())}
    assert list(rows) == ["He", "Ne"]
    assert "signal 11 (SIGSEGV)" in rows["He"]
    assert rows["Ne"].startswith("LookupError: neon (hostile.py, line")
