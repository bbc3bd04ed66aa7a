"""What a run keeps of its training set."""

import json
from pathlib import Path

import numpy as np
import pytest
from rock_salts import MODEL, TRAINING, outputs
from safetensors.numpy import load_file, save_file

from sitenet.evaluate.training_set import (
    NAME,
    TrainingSet,
    conformal,
    nearest,
    read_training_set,
    write_vectors,
)
from sitenet.model.inference import embed
from sitenet.model.saving import load_model
from sitenet.shards.store import CrystalStore
from sitenet.splits.parts import parts_of_run
from sitenet.tables import DamagedTable
from sitenet.train.supervised import RunInputs, train


def test_a_run_leaves_vectors_residuals_and_elements(
    labelled: RunInputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 20 training crystals, drawn; distances are those of the validation crystals from them."""
    monkeypatch.setattr("sitenet.train.supervised.KEPT", 20)
    train(labelled, outputs(tmp_path), MODEL, TRAINING)
    known = read_training_set(tmp_path, 8)
    assert known is not None
    record = json.loads((tmp_path / "metrics.json").read_text())
    sizes = np.abs(list(known.residuals.values()))
    assert sizes.mean() == pytest.approx(record["splits"]["val"]["mae"], rel=1e-5)
    parts = parts_of_run(tmp_path / "predictions.parquet")
    numbers = {int(z) for name in parts.ids("train") for z in name.split("-")}
    assert known.elements == numbers
    store = CrystalStore.from_shards(labelled.shards)
    vectors = embed(load_model(tmp_path / "model.safetensors"), store)
    own = vectors[[store.index[name] for name in parts.ids("train")]]
    assert known.vectors.shape == (20, 8)
    assert nearest(known.vectors, own).max() < 1e-5
    watched = vectors[[store.index[name] for name in parts.ids("val")]]
    distances = np.linalg.norm(watched[:, None] - known.vectors, axis=2).min(axis=1)
    np.testing.assert_allclose(known.distances, np.sort(distances), atol=1e-5)


@pytest.mark.parametrize(
    ("numbers", "level", "expected"),
    [
        (range(1, 10), 0.9, 9),  # the ninth of ten places
        (range(1, 9), 0.9, None),
        (range(1, 20), 0.9, 18),
        ([3, 1, 2], 0.5, 2),
        ([], 0.5, None),
        (range(1, 100), 0.99, 99),
    ],
)
def test_conformal_quantiles_by_hand(numbers: range, level: float, expected: float | None) -> None:
    assert conformal(np.array(numbers, dtype=float), level) == expected


def test_new_elements_and_far_vectors_are_told() -> None:
    known = TrainingSet(
        elements=frozenset({8, 12}),
        residuals={},
        vectors=np.array([[0, 0], [10, 0]], dtype=np.float32),
        distances=np.array([0.5, 1], dtype=np.float32),
    )
    old = np.array([12, 8])
    assert known.unlike(old, np.array([10, 0.9], dtype=np.float32)) == ""
    assert known.unlike(old, np.array([10, 2], dtype=np.float32)) == (
        "its vector is 2 times as far from them as those of known crystals"
    )
    both = known.unlike(np.array([79, 8, 1]), np.array([5, 0], dtype=np.float32))
    assert both.startswith("no training crystal has H, Au; its vector is 5 times")


def test_one_in_a_hundred_known_crystals_may_be_as_far() -> None:
    distances = np.arange(1, 1000, dtype=np.float32)
    known = TrainingSet(frozenset(), {}, np.zeros((1, 1), np.float32), distances)
    far = [bool(known.unlike(np.array([8]), np.array([x], np.float32))) for x in (990, 990.5)]
    assert far == [False, True]


def predictions(folder: Path) -> None:
    import pandas as pd

    pd.DataFrame({
        "id": ["a", "b"], "split": ["train", "val"], "formula": ["MgO", "NaCl"],
        "target": [1.0, 2.0], "prediction": [1.0, 2.5],
    }).to_parquet(folder / "predictions.parquet")  # fmt: skip


def test_files_of_another_model_are_refused(tmp_path: Path) -> None:
    assert read_training_set(tmp_path, 3) is None
    predictions(tmp_path)
    known = read_training_set(tmp_path, 3)
    assert known is not None
    assert (known.residuals, known.elements, len(known.vectors)) == ({"b": -0.5}, {8, 12}, 0)
    random = np.random.default_rng(0)
    vectors = random.random((4, 3), dtype=np.float32)
    write_vectors(tmp_path / NAME, vectors[:2], vectors[2:])
    assert read_training_set(tmp_path, 3).distances.shape == (2,)  # type: ignore[union-attr]
    with pytest.raises(DamagedTable, match="it is not of this model"):
        read_training_set(tmp_path, 4)
    tensors = load_file(tmp_path / NAME)
    for name, value in (("vectors", vectors * np.nan), ("distances", vectors)):
        save_file({**tensors, name: value}, tmp_path / NAME)
        with pytest.raises(DamagedTable, match="it is not of this model"):
            read_training_set(tmp_path, 3)
    save_file({"vectors": vectors}, tmp_path / NAME)
    with pytest.raises(DamagedTable, match="distances"):
        read_training_set(tmp_path, 3)
