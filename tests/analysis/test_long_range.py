"""Long-range coefficients: those of even attention, and of which crystals they are taken."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from attention_models import limit_memory, one_site, sharp_model

from sitenet.analysis import long_range
from sitenet.shards.store import CrystalStore


def test_even_attention_by_hand() -> None:
    batch = one_site([0.0, 2.0, 8.0], [1, 3, 4])
    assert long_range.even_long_range(batch, heads=3).tolist() == pytest.approx([3 * 8 / 8])


def test_a_model_without_preference_has_the_even_coefficient(trained: dict[str, Path]) -> None:
    model = sharp_model()
    with torch.no_grad():
        model.blocks[-1].logits.weight.zero_()
        model.blocks[-1].logits.bias.zero_()
    store = CrystalStore.from_shards([trained["shard"]])
    batch = store.batch(torch.arange(len(store)))
    with torch.inference_mode():
        found = long_range.long_range_per_head(model, batch)
    even = long_range.even_long_range(batch, model.settings.heads)
    np.testing.assert_allclose(found[:, -1].sum(1), even, rtol=1e-5)
    assert not np.allclose(found[:, 0].sum(1), even, rtol=0.1)  # the first block has preferences


def test_table_of_coefficients(trained: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "long_range.parquet"
    long_range.write_long_range(
        trained["weights"], [trained["shard"]], {"rutile": "test", "triclinic": "train"}, out
    )
    table = pd.read_parquet(out).set_index("id")
    assert table.split.to_dict() == {"rutile": "test", "triclinic": "train"}
    last = table[["block2_head1", "block2_head2"]].sum(axis=1)
    np.testing.assert_allclose(table.long_range_coefficient, last, rtol=1e-6)
    assert (table.even_coefficient > 0).all()
    limit_memory(trained["weights"], 1e-6)
    parts = {"triclinic": "train", "rutile": "test"}
    long_range.write_long_range(trained["weights"], [trained["shard"]], parts, out)
    pd.testing.assert_frame_equal(pd.read_parquet(out).set_index("id"), table, rtol=1e-6)


def test_coefficients_are_of_tested_crystals_and_of_those_trained_on(tmp_path: Path) -> None:
    parts = ["test"] * 3 + ["train"] * 9 + ["val"] * 2 + ["unused"] * 5
    ids = [f"c{k}" for k in range(len(parts))]
    pd.DataFrame({"id": ids, "split": parts}).to_parquet(tmp_path / "p.parquet")
    found = long_range.tested_and_trained(tmp_path / "p.parquet", 4)
    assert [name for name in found if found[name] == "test"] == ["c0", "c1", "c2"]
    trained = {name for name in found if found[name] == "train"}
    assert len(trained) == 4
    assert trained < set(ids[3:12])
    everyone = long_range.tested_and_trained(tmp_path / "p.parquet", 100)
    assert {name for name in everyone if everyone[name] == "train"} == set(ids[3:12])
