"""Ensembles over seeds, by hand."""

from pathlib import Path

import pandas as pd
import pytest

from sitenet.evaluate.ensemble import write_ensemble
from sitenet.files import read_json, write_json


def run(folder: Path, values: list[float], val_mae: float) -> tuple[Path, Path]:
    folder.mkdir()
    table = pd.DataFrame(
        {"id": ["a", "b", "c"], "split": ["train", "val", "test"], "formula": ["A", "B", "C"],
         "target": [1.0, 2.0, 3.0]}
    )  # fmt: skip
    table.assign(prediction=values).to_parquet(folder / "p.parquet")
    write_json(
        folder / "m.json",
        {"splits": {"val": {"mae": val_mae}, "test": {"mae": abs(values[2] - 3)}}, "unit": "eV"},
    )
    return folder / "p.parquet", folder / "m.json"


def test_better_runs_weigh_more(tmp_path: Path):
    runs = [run(tmp_path / "0", [1, 2, 5], 0.3), run(tmp_path / "1", [1, 2, 1], 0.1)]
    predictions, metrics = zip(*runs, strict=True)
    write_ensemble(predictions, metrics, tmp_path / "out.parquet", tmp_path / "out.json")
    table = pd.read_parquet(tmp_path / "out.parquet").set_index("id")
    assert table.prediction.tolist() == pytest.approx([1, 2, 0.25 * 5 + 0.75 * 1])
    assert table.spread["c"] == pytest.approx((0.25 * 9 + 0.75 * 1) ** 0.5)
    record = read_json(tmp_path / "out.json")
    assert record["weights"] == pytest.approx([0.25, 0.75])
    assert record["splits"]["test"]["mae"] == pytest.approx(1.0)


def test_folds_are_pooled(tmp_path: Path):
    """Each crystal is predicted by the runs that were tested on it; val was tested by none."""
    runs = [
        run(tmp_path / "0", [9, 2, 5], 0.3),
        run(tmp_path / "1", [0.5, 9, 9], 0.1),
        run(tmp_path / "2", [9, 2, 2], 0.1),
    ]
    second = pd.read_parquet(runs[1][0]).assign(split=["test", "train", "val"])
    second.to_parquet(runs[1][0])
    predictions, metrics = zip(*runs, strict=True)
    write_ensemble(predictions, metrics, tmp_path / "out.parquet", tmp_path / "out.json")
    table = pd.read_parquet(tmp_path / "out.parquet").set_index("id")
    assert table.split.to_dict() == {"a": "test", "c": "test"}
    assert table.prediction.to_dict() == pytest.approx({"a": 0.5, "c": 0.25 * 5 + 0.75 * 2})
    record = read_json(tmp_path / "out.json")
    assert record["pooled_folds"]
    assert record["splits"]["test"]["mae"] == pytest.approx((0.5 + 0.25) / 2)


def test_runs_over_other_crystals_are_refused(tmp_path: Path):
    runs = [run(tmp_path / "0", [1, 2, 5], 0.3), run(tmp_path / "1", [1, 2, 1], 0.1)]
    other = pd.read_parquet(runs[1][0]).assign(id=["a", "b", "d"])
    other.to_parquet(runs[1][0])
    predictions, metrics = zip(*runs, strict=True)
    with pytest.raises(ValueError, match="same crystals"):
        write_ensemble(predictions, metrics, tmp_path / "out.parquet", tmp_path / "out.json")
