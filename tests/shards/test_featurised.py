"""The crystals of a split that are in shards: compared with joins by pandas."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from random_shards import write_shard

from sitenet.shards.featurised import read_featurised
from sitenet.shards.store import CrystalStore
from sitenet.splits.parts import PARTS, Parts, read_parts, write_parts
from sitenet.tables import DamagedTable


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """60 crystals of 1 to 6 sites in three shards."""
    folder = tmp_path_factory.mktemp("shards")
    random = np.random.default_rng(1)
    paths = [folder / f"part-{k:03d}.parquet" for k in range(3)]
    for k, path in enumerate(paths):
        ids = [f"c{number}" for number in range(20 * k, 20 * k + 20)]
        write_shard(path, {name: int(random.integers(1, 7)) for name in ids}, group=7)
    return paths


@pytest.fixture
def split(tmp_path: Path) -> Path:
    """Parts of 70 crystals in random order, 20 of which are in no shard."""
    random = np.random.default_rng(2)
    ids = [f"c{k}" for k in random.permutation(80)[:70]]
    write_parts(tmp_path / "split.csv", zip(ids, random.choice(PARTS, 70).tolist(), strict=True))
    return tmp_path / "split.csv"


def test_crystals_are_those_of_split_and_shards_in_the_order_of_the_shards(shards, split) -> None:
    table = pd.concat([pd.read_parquet(shard, columns=["id", "n_sites"]) for shard in shards])
    expected = table.merge(pd.read_csv(split), on="id", validate="1:1")
    found = read_featurised(shards, read_parts(split))
    assert 40 < len(found) == len(expected) < 60
    assert found.ids.tolist() == expected.id.tolist()
    assert found.parts.tolist() == expected.split.tolist()
    assert found.n_sites.tolist() == expected.n_sites.tolist()
    store = CrystalStore.from_shards(shards, keep=set(found.ids))
    assert store.ids == found.ids.tolist()
    assert store.sites.tolist() == found.n_sites.tolist()
    for part in PARTS:
        rows = expected[expected.split == part]
        assert found.ids[found.indices(part)].tolist() == rows.id.tolist()
        fitting = rows.id[rows.n_sites <= 3].tolist()
        assert found.ids[found.indices(part, 3)].tolist() == fitting
        assert 0 < len(fitting) < len(rows)


def test_some_of_the_crystals(shards, split) -> None:
    found = read_featurised(shards, read_parts(split))
    some = found.take(found.indices("val"))
    assert len(some) == len(found.indices("val"))
    assert some.ids.tolist() == found.ids[found.parts == "val"].tolist()
    assert set(some.parts) == {"val"}
    assert some.n_sites.tolist() == found.n_sites[found.parts == "val"].tolist()
    found.require(*PARTS)
    some.require("val")
    with pytest.raises(
        ValueError, match=r"split\.csv: no featurised crystal in its part train or "
    ):
        some.require(*PARTS)


def test_crystals_of_no_split_and_damaged_shards(shards, tmp_path: Path) -> None:
    parts = Parts(Path("split.csv"), {"c3": "train", "elsewhere": "test"})
    assert read_featurised(shards, parts).ids.tolist() == ["c3"]
    with pytest.raises(ValueError, match="no featurised crystal in its part test"):
        read_featurised(shards, parts).require("train", "test")
    assert len(read_featurised(shards, parts.without(["c3"]))) == 0
    with pytest.raises(ValueError, match=r"split\.csv are in the shards twice"):
        read_featurised([shards[0], *shards], parts)
    (tmp_path / "cut.parquet").write_bytes(shards[1].read_bytes()[:-9])
    with pytest.raises(DamagedTable, match=r"cut\.parquet is damaged"):
        read_featurised([shards[0], tmp_path / "cut.parquet"], parts)
