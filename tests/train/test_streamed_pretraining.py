"""Pre-training and embeddings of data larger than memory: what they do of data in memory."""

import weakref
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from rock_salts import interrupt_before
from safetensors.torch import load_file
from small_pretraining import LOSS, MODEL, TRAINING, outputs

from sitenet.files import read_json, write_json
from sitenet.progress import setup_logging
from sitenet.shards import vectors
from sitenet.shards.open_store import BothTables, open_both
from sitenet.shards.schema import open_writer
from sitenet.shards.store import CrystalStore
from sitenet.shards.streaming import StreamedStore
from sitenet.train.embed import write_embeddings
from sitenet.train.pretrain import PretrainInputs, pretrain

LIMIT = 16_000
"""Bytes; both tables take up to 34,000."""
STREAMED = replace(TRAINING, memory_gib=LIMIT / 2**30)


@pytest.fixture(scope="module")
def inputs(unlabelled, tmp_path_factory: pytest.TempPathFactory) -> PretrainInputs:
    """The small crystals of other tests, three in a row group."""
    cut = tmp_path_factory.mktemp("cut") / "part.parquet"
    table = pq.read_table(unlabelled.shards[0])[:-1]
    with open_writer(cut) as writer:
        for start in range(0, len(table), 3):
            writer.write_table(table.slice(start, 3))
    return replace(unlabelled, shards=(cut,))


@pytest.fixture
def live_bytes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Bytes of site classes and pairs of all stores in memory, whenever one has been made."""
    stores: weakref.WeakSet[CrystalStore] = weakref.WeakSet()
    found: list[int] = []
    make = CrystalStore.__init__

    def size(store: CrystalStore) -> int:
        tensors = {v.data_ptr(): v for v in vars(store).values() if isinstance(v, torch.Tensor)}
        of_crystals = len(store), len(store) + 1  # numbers and offsets of crystals do not count
        return sum(t.nbytes for t in tensors.values() if len(t) not in of_crystals)

    def watched(self: CrystalStore, *arguments: object) -> None:
        make(self, *arguments)
        stores.add(self)
        found.append(sum(map(size, stores)))

    monkeypatch.setattr(CrystalStore, "__init__", watched)
    return found


def test_every_crystal_is_used_once_an_epoch_within_the_limit(
    inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, live_bytes: list[int]
) -> None:
    used: Counter[str] = Counter()
    take = BothTables.batch

    def counted(self: BothTables, crystals: torch.Tensor):
        used.update(self.ids[k] for k in crystals.tolist())
        return take(self, crystals)

    monkeypatch.setattr(BothTables, "batch", counted)
    setup_logging(tmp_path / "log")
    pretrain(inputs, outputs(tmp_path), MODEL, LOSS, replace(STREAMED, max_epochs=3))
    split = pd.read_csv(inputs.split)
    seen = set(split.id[(split.split != "test") & (split.id != "large")])
    assert used == dict.fromkeys(seen, 3)
    assert "shards are read again in every epoch" in (tmp_path / "log").read_text()
    assert 0 < max(live_bytes) <= LIMIT / 2  # the other half is for what is being joined
    assert len(live_bytes) > 3 * 4
    live_bytes.clear()
    whole = open_both(inputs.shards, seen, 2**30, inputs.features.merge_tolerance)
    assert live_bytes[-1] > LIMIT / 2
    assert sum(int(StreamedStore(inputs.shards, seen, 1, apart).bytes.sum())
               for apart in (None, inputs.features.merge_tolerance)) > LIMIT  # fmt: skip
    assert len(whole) == len(seen)


def test_a_killed_streamed_pre_training_continues_as_if_undisturbed(
    inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretrain(inputs, outputs(tmp_path / "whole"), MODEL, LOSS, STREAMED)
    with monkeypatch.context() as patch:
        interrupt_before(patch, 3)
        with pytest.raises(RuntimeError, match="killed"):
            pretrain(inputs, outputs(tmp_path / "cut"), MODEL, LOSS, STREAMED)
    pretrain(inputs, outputs(tmp_path / "cut"), MODEL, LOSS, STREAMED)
    whole, cut = (load_file(tmp_path / k / "model.safetensors") for k in ("whole", "cut"))
    assert all(torch.equal(whole[name], cut[name]) for name in whole)
    rows = [pd.read_csv(tmp_path / k / "history.csv").drop(columns=["seconds",
            "structures_per_second"]) for k in ("whole", "cut")]  # fmt: skip
    pd.testing.assert_frame_equal(*rows)
    assert rows[0].train_total.iloc[-1] < rows[0].train_total.iloc[0]


def test_streamed_embeddings_are_those_from_memory(
    inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, live_bytes: list[int]
) -> None:
    """By a limit in the description; the table is written some crystals at a time."""
    pretrain(inputs, outputs(tmp_path), MODEL, LOSS, replace(TRAINING, max_epochs=1))
    weights, description = tmp_path / "model.safetensors", tmp_path / "model.json"
    limit = 4_000
    tables = {}
    for memory_gib, row_group in ((1.0, 2**16), (limit / 2**30, 10)):
        about = read_json(description)
        about["training"]["memory_gib"] = memory_gib
        write_json(description, about)
        monkeypatch.setattr(vectors, "ROW_GROUP", row_group)
        paths = tmp_path / f"{row_group}.parquet", tmp_path / f"{row_group}.untrained.parquet"
        live_bytes.clear()
        write_embeddings(weights, description, inputs.shards, *paths)
        tables[row_group] = [pd.read_parquet(path) for path in paths]
    assert max(live_bytes) <= limit / 2
    assert pq.read_metadata(tmp_path / "10.parquet").num_row_groups > 3
    assert pq.read_schema(tmp_path / "10.parquet") == pq.read_schema(tmp_path / "65536.parquet")
    for streamed, memory in zip(tables[10], tables[2**16], strict=True):
        assert streamed.id.tolist() == memory.id.tolist()
        np.testing.assert_allclose(np.stack(streamed.z), np.stack(memory.z), atol=1e-6)
    assert not np.allclose(np.stack(tables[10][0].z), np.stack(tables[10][1].z))
