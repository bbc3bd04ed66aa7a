"""Metrics, baselines and their table, against numbers worked out by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from sitenet.evaluate.baselines import baselines, element_fractions
from sitenet.evaluate.metrics import bootstrap_interval, regression_metrics
from sitenet.evaluate.metrics_table import write_metrics_table
from sitenet.evaluate.rounding import readable, with_error
from sitenet.files import write_json


def test_metrics_by_hand() -> None:
    found = regression_metrics(np.array([0.0, 1.0, 2.0, -1.0]), np.array([1.0, 1.0, 0.0, -1.0]), 0)
    assert found["mae"] == pytest.approx(3 / 4)
    assert found["rmse"] == pytest.approx(np.sqrt(5 / 4))
    assert found["r2"] == pytest.approx(1 - 5 / 5)
    assert found["mae_positive"] == pytest.approx(1.0)
    assert found["n"] == 4
    assert 0 <= found["mae_interval"][0] <= 0.75 <= found["mae_interval"][1] <= 2


def test_undefined_metrics_are_none() -> None:
    found = regression_metrics(np.array([-1.0, -1.0]), np.array([-2.0, -1.0]), 0)
    assert found["mae_positive"] is None
    assert found["r2"] is None


@pytest.mark.parametrize(
    ("target", "prediction"), [([], []), ([1.0], [1.0, 2.0]), ([1.0], [np.nan]), ([np.inf], [1.0])]
)
def test_unusable_input_is_refused(target: list[float], prediction: list[float]) -> None:
    with pytest.raises(ValueError, match=r"compare|finite"):
        regression_metrics(np.array(target), np.array(prediction), 0)


def test_bootstrap_interval_is_the_normal_one_for_many_values() -> None:
    values = np.random.default_rng(1).exponential(size=3000)
    half = norm.ppf(0.975) * values.std() / np.sqrt(len(values))
    low, high = bootstrap_interval(values, seed=3)
    assert low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.1 * half)
    assert bootstrap_interval(values, seed=3) == [low, high]
    assert bootstrap_interval(values, seed=4) != [low, high]


def test_baselines_by_hand() -> None:
    found = baselines(
        ["NaCl", "NaCl", "MgO", "SiO2"], np.array([1.0, 3.0, 4.0, 12.0]),
        ["NaCl", "Fe"], np.array([2.0, 6.0]),
    )  # fmt: skip
    assert found["mean"] == pytest.approx((3 + 1) / 2)
    assert found["median"] == pytest.approx((1.5 + 2.5) / 2)
    assert found["formula"] == pytest.approx((0 + 1) / 2)
    assert set(found) == {"mean", "median", "formula", "composition"}


def test_composition_baseline_learns_a_linear_label() -> None:
    """A label that is a weighted mean over the atoms is predicted almost exactly."""
    train = ["NaCl", "MgO", "Na2O", "MgCl2", "Na", "Mg", "Cl2", "O2"]
    weights = np.zeros(119)
    weights[[8, 11, 12, 17]] = [4.0, 1.0, 0.5, -2.0]  # O, Na, Mg, Cl
    label = element_fractions([*train, "NaMgClO"]) @ weights
    found = baselines(train, label[:-1], ["NaMgClO"], label[-1:])
    assert label[-1] == pytest.approx(0.875)
    assert found["composition"] < 0.01 < found["mean"] / 2


def test_element_fractions() -> None:
    table = element_fractions(["SiO2", "Fe", "SiO2"]).toarray()
    assert table[0, 8] == pytest.approx(2 / 3)
    assert table[0, 14] == pytest.approx(1 / 3)
    assert table[1, 26] == 1
    assert table.sum(axis=1) == pytest.approx(1)
    assert (table[0] == table[2]).all()


def _run(folder: Path, seed: int, mae: float, variant: str = "sitenet") -> Path:
    scores = {
        "mae": mae, "rmse": 2 * mae, "r2": 0.5, "mae_positive": None,
        "mae_interval": [mae - 0.01, mae + 0.01], "n": 7,
    }  # fmt: skip
    path = folder / "mp" / "n100" / "gap" / variant / f"seed{seed}" / "metrics.json"
    names = ("mean", "median", "formula", "composition")
    write_json(
        path,
        {
            "splits": {"test": scores, "val": scores, "train": scores},
            "baselines": dict.fromkeys(names, 1.3),
            "unit": "eV", "best_epoch": 4, "epochs": 5, "seconds": 6.5, "parameters": 304085,
            "structures_per_second": 123.4, "peak_memory_bytes": 3 * 2**30, "device": "cpu",
        },
    )  # fmt: skip
    return path


def test_table_of_runs(tmp_path: Path) -> None:
    runs = [_run(tmp_path, 0, 0.30), _run(tmp_path, 1, 0.34), _run(tmp_path, 0, 0.4, "cutoff5")]
    both = tmp_path / "mp" / "n100" / "gap" / "sitenet" / "ensemble" / "metrics.json"
    write_json(both, {"splits": {"test": {"mae": 0.29}}})
    write_metrics_table(runs, [both], tmp_path / "t" / "metrics.csv", tmp_path / "t" / "metrics.md")
    table = pd.read_csv(tmp_path / "t" / "metrics.csv")
    assert table[["n", "variant", "seed"]].to_numpy().tolist() == [
        [100, "sitenet", 0], [100, "sitenet", 1], [100, "cutoff5", 0]
    ]  # fmt: skip
    assert table["test_mae_mean"].tolist() == pytest.approx([0.32, 0.32, 0.4])
    assert table["test_mae_error"][1] == pytest.approx(0.02)
    assert np.isnan(table["test_mae_error"][2])
    assert table["ensemble_test_mae"][1] == 0.29
    assert np.isnan(table["ensemble_test_mae"][2])
    lines = (tmp_path / "t" / "metrics.md").read_text().splitlines()
    setting = "| mp | 100 | gap (eV) | sitenet | 2 |"
    assert f"{setting} 0.320 ± 0.020 | 0.310 to 0.330 | 0.290 |" in lines[2]
    assert "| cutoff5 | 1 | 0.400 |" in lines[3]
    assert len({line.count("|") for line in lines[:4]}) == 1


@pytest.mark.parametrize(
    ("value", "text"), [(0.012345, "0.0123"), (1234.5, "1234"), (4.567, "4.57"), (0, "0")]
)
def test_readable(value: float, text: str) -> None:
    assert readable(value) == text


def test_with_error() -> None:
    assert with_error(0.2468, 0.0123) == "0.247 ± 0.012"
    assert with_error(0.2468, float("nan")) == "0.247"
