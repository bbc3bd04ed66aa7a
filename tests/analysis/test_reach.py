"""Readings of a model by distance, against the dense model in double precision."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from attention_models import SETTINGS, both_models
from example_crystals import EXAMPLES, noisy
from torch import Tensor

from sitenet.analysis import reach
from sitenet.model.dense import DenseSiteNet
from sitenet.shards.batch import DenseBatch

NAMES = ["rutile", "triclinic", "rocksalt"]
WITHIN = [1.0, 2.5, 4.0, 6.0, 50.0]


def _of_crystals(batch: DenseBatch, values: Tensor) -> Tensor:
    """Sums (B, G) of values (R, A) over all pairs of each crystal within each distance."""
    kept = torch.where(batch.padding, 0.0, values)
    rows = torch.stack([(kept * (batch.distance <= r)).sum(1) for r in WITHIN], 1)
    return rows.new_zeros(len(batch.sizes), len(WITHIN)).index_add(0, batch.crystal, rows)


@pytest.mark.parametrize("blocks", [1, 2])
def test_gradients_are_those_of_every_pair_of_the_dense_model(blocks: int) -> None:
    settings = replace(SETTINGS, blocks=blocks)
    crystals = [EXAMPLES[n] for n in NAMES]
    # Without symmetry, pairs of one type are in rows whose derivatives have other signs.
    crystals += [noisy(EXAMPLES["diamond"], 0.3), noisy(EXAMPLES["rutile"], 0.3)]
    (model, batch), (dense, full) = both_models(crystals, 40, settings)
    found, total = reach.gradient_within(model, batch, WITHIN)
    distance = full.distance.clone().requires_grad_()
    dense(replace(full, distance=distance)).sum().backward()
    slopes = distance.grad.abs() * (full.distance > 0)
    expected = _of_crystals(full, slopes)
    torch.testing.assert_close(total, expected[:, -1], rtol=1e-9, atol=0)
    torch.testing.assert_close(found, expected / expected[:, -1:], rtol=1e-9, atol=1e-12)
    assert (expected[:, 2] > 0).all()
    assert ((found[:, 2] > 0) & (found[:, 2] < 1)).all()


def _masked(dense: DenseSiteNet, batch: DenseBatch, distance: float) -> Tensor:
    dense.settings = replace(dense.settings, cutoff=distance)
    return dense(batch)


def test_masked_predictions_are_those_of_the_dense_model_with_a_cutoff() -> None:
    (model, batch), (dense, full) = both_models([EXAMPLES[n] for n in NAMES], 40)
    with torch.no_grad():
        found = reach.masked_predictions(model, batch, WITHIN)
        expected = torch.stack([_masked(dense, full, r) for r in WITHIN], 1)
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(found[:, -1], model(batch), rtol=1e-12, atol=0)
    assert model.settings.cutoff is None
    assert not torch.allclose(found[:, 1], found[:, -1], rtol=1e-3)


def test_masking_keeps_the_cutoff_a_model_was_trained_with() -> None:
    settings = replace(SETTINGS, cutoff=4.0)
    (model, batch), _ = both_models([EXAMPLES["rutile"]], 40, settings)
    with torch.no_grad():
        found = reach.masked_predictions(model, batch, [3.0, 4.0, 9.0])
        assert found[0, 1] == found[0, 2] == model(batch)[0]
    assert found[0, 0] != found[0, 1]


def test_attention_within_a_distance_is_that_of_every_pair() -> None:
    (model, batch), (dense, full) = both_models([EXAMPLES[n] for n in NAMES], 40)
    trace: dict[str, Tensor] = {}
    with torch.no_grad():
        found, even = reach.attention_within(model, batch, WITHIN)
        dense.crystals(full, trace)
    shares = _of_crystals(full, trace["attention1"].mean(2)) / full.sizes[:, None]
    torch.testing.assert_close(found, shares, rtol=1e-9, atol=1e-12)
    atoms = (~full.padding).sum(1, keepdim=True)
    flat = _of_crystals(full, (1 / atoms.double()).expand_as(full.distance)) / full.sizes[:, None]
    torch.testing.assert_close(even, flat, rtol=1e-12, atol=1e-12)


def test_table_of_a_run(trained: dict[str, Path], tmp_path: Path) -> None:
    predictions = {
        "id": ["rutile", "triclinic", "perovskite"],
        "split": ["test", "train", "test"],
        "target": [1.0, 2.0, 3.0],
        "prediction": [1.5, 2.5, 3.5],
    }
    pd.DataFrame(predictions).to_parquet(tmp_path / "predictions.parquet")
    out = tmp_path / "reach.parquet"
    reach.write_reach(trained["weights"], [trained["shard"]], tmp_path / "predictions.parquet", out)
    table = pd.read_parquet(out)
    assert set(table.id) == {"rutile", "perovskite"}
    assert {tuple(own) for _, own in table.groupby("id").within} == {reach.WITHIN}
    own = table[table.id == "perovskite"]
    assert set(own.target) == {3.0}
    assert set(own.prediction) == {3.5}
    assert own.gradient.is_monotonic_increasing
    assert own.attention.is_monotonic_increasing
    assert own.masked_prediction[own.within >= 5].nunique() == 1  # trained with a cutoff of 5 A
    assert np.allclose(own.gradient[own.within >= 5], 1)
