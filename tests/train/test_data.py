"""Labelled crystals: store, parts and labels in step, in memory and streamed."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from random_shards import write_shard

from sitenet.shards.featurised import read_featurised
from sitenet.shards.store import CrystalStore
from sitenet.shards.streaming import StreamedStore
from sitenet.splits.parts import Parts
from sitenet.train.data import load_labelled

SITES = {f"c{k}": 1 + k % 5 for k in range(40)}


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A shard, and a table of structures in another order with a crystal more."""
    write_shard(tmp_path / "part.parquet", SITES)
    ids = [*reversed(SITES), "other"]
    label = [float(k) for k in reversed(range(40))]
    table = pd.DataFrame({"id": ids, "y": [*label, np.nan]})
    table.to_parquet(tmp_path / "structures.parquet")
    return tmp_path / "part.parquet", tmp_path / "structures.parquet"


@pytest.mark.parametrize(("memory_gib", "kind"), [(1.0, CrystalStore), (1e-5, StreamedStore)])
def test_labels_are_those_of_the_crystals_in_the_store(files, memory_gib, kind) -> None:
    shard, structures = files
    of = {name: ("train", "val", "test")[k % 3] for k, name in enumerate(SITES) if k % 7}
    crystals = read_featurised([shard], Parts(Path("split.csv"), of))
    data = load_labelled(crystals, [shard], structures, "y", memory_gib)
    assert isinstance(data.store, kind)
    assert data.store.ids == list(of)
    assert data.target.tolist() == [float(name[1:]) for name in of]
    for part in ("train", "val", "test"):
        for largest in (None, 3):
            found = [data.store.ids[k] for k in data.indices(part, largest)]
            assert found == [n for n in of if of[n] == part and SITES[n] <= (largest or 5)]


def test_a_crystal_without_a_row_is_told(files) -> None:
    shard, structures = files
    table = pd.read_parquet(structures)
    table[table.id != "c5"].to_parquet(structures)
    crystals = read_featurised([shard], Parts(Path("split.csv"), dict.fromkeys(SITES, "train")))
    with pytest.raises(ValueError, match=r"structures\.parquet lacks 1 crystals, .* c5"):
        load_labelled(crystals, [shard], structures, "y", 1.0)
