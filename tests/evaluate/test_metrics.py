"""Metrics and their table, against numbers worked out by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from sitenet.evaluate.metrics import bootstrap_interval, regression_metrics
from sitenet.evaluate.metrics_table import write_metrics_table
from sitenet.evaluate.rounding import after_number, in_brackets, readable, with_error
from sitenet.files import read_json, write_json


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


def test_groups_are_resampled_as_a_whole() -> None:
    """Four equal errors in each of 50 formulas are 50 values, not 200."""
    errors = np.random.default_rng(1).exponential(size=50)
    groups = np.repeat([f"F{k}" for k in range(50)], 4).astype(object)
    assert bootstrap_interval(np.repeat(errors, 4), 0, groups=groups) == bootstrap_interval(
        errors, 0
    )
    single = np.array([f"F{k}" for k in range(50)], dtype=object)
    assert bootstrap_interval(errors, 0, groups=single) == bootstrap_interval(errors, 0)
    low, high = bootstrap_interval(np.array([0.0, 0.0, 0.0, 4.0]), 0, groups=np.array(list("aaab")))
    assert (low, high) == (0, 4)  # aa: 0, ab: 1, bb: 4


def _run(
    folder: Path, seed: int, mae: float, variant: str = "sitenet", crystals: int = 300
) -> Path:
    scores = {
        "mae": mae, "rmse": 2 * mae, "r2": 0.5, "mae_positive": None,
        "mae_interval": [mae - 0.01, mae + 0.01], "n": crystals,
    }  # fmt: skip
    path = folder / "mp" / "n100" / "gap" / variant / f"seed{seed}" / "metrics.json"
    write_json(
        path,
        {
            "splits": {"test": scores, "val": scores, "train": scores},
            "unit": "eV", "best_epoch": 4, "epochs": 5, "seconds": 6.5, "parameters": 304085,
            "structures_per_second": 123.4, "peak_memory_bytes": 3 * 2**30, "device": "cpu",
        },
    )  # fmt: skip
    return path


def _baselines(folder: Path, runs: list[tuple[str, int]]) -> Path:
    """The median has the lowest validation error, boosting the lowest test error."""
    errors = {"mean": (1.3, 1.3), "median": (0.2, 0.35), "formula": (1.3, 1.3),
              "structure_type": (0.9, 0.8), "extra_trees": (0.5, 0.5),
              "boosting": (0.3, 0.1)}  # fmt: skip
    rows = [
        {"n": 100, "variant": variant, "seed": seed, "baseline": name, "val_mae": val,
         "test_mae": test, "test_mae_low": test - 0.05, "test_mae_high": test + 0.05,
         "test_rmse": 2 * test, "test_r2": 0.1, "best": name == "median",
         "known": 0.991 if name == "structure_type" and seed == 3 else 0.2}
        for variant, seed in runs
        for name, (val, test) in errors.items()
    ]  # fmt: skip
    path = folder / "mp" / "baselines" / "gap.csv"
    path.parent.mkdir(parents=True)
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def _report(folder: Path, name: str = "gap", **changes: Any) -> Path:
    path = folder / "mp" / "splits" / f"{name}.json"
    report = {"task": "gap", "folds": None, "kind": "grouped", "warnings": []}
    write_json(path, {**report, "shared": {"train-test": {"crystals": 0}}, **changes})
    return path


def test_table_of_runs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    runs = [_run(tmp_path, 0, 0.30), _run(tmp_path, 1, 0.34), _run(tmp_path, 0, 0.4, "cutoff5")]
    both = tmp_path / "mp" / "n100" / "gap" / "sitenet" / "ensemble" / "metrics.json"
    write_json(both, {"splits": {"test": {"mae": 0.29}}, "pooled_folds": False})
    baselines = _baselines(tmp_path, [("sitenet", 0), ("sitenet", 1), ("cutoff5", 0)])
    with caplog.at_level("INFO", logger="sitenet"):
        write_metrics_table(
            runs,
            [both],
            [baselines],
            [_report(tmp_path)],
            csv=tmp_path / "t" / "metrics.csv",
            markdown=tmp_path / "t" / "metrics.md",
        )
    table = pd.read_csv(tmp_path / "t" / "metrics.csv")
    assert table[["n", "variant", "seed"]].to_numpy().tolist() == [
        [100, "sitenet", 0], [100, "sitenet", 1], [100, "cutoff5", 0]
    ]  # fmt: skip
    assert table["test_mae_mean"].tolist() == pytest.approx([0.32, 0.32, 0.4])
    assert table["test_mae_error"][1] == pytest.approx(0.02)
    assert np.isnan(table["test_mae_error"][2])
    assert table["ensemble_test_mae"][1] == 0.29
    assert np.isnan(table["ensemble_test_mae"][2])
    assert table["out_of_fold_mae"].isna().all()
    assert table["best_baseline"].tolist() == ["median"] * 3  # by validation, not by test
    assert table["baseline_boosting_mae"].tolist() == [0.1] * 3
    lines = (tmp_path / "t" / "metrics.md").read_text().splitlines()
    assert lines[:2] == [
        "- mp, gap, N = 100, sitenet: test MAE 0.320 ± 0.020 eV (95 %: 0.310 to 0.330, mean of 2 "
        "trainings), R² 0.500. Best baseline, median of the training labels: 0.350 eV (0.300 to "
        "0.400).",
        "- mp, gap, N = 100, cutoff5: test MAE 0.400 eV (95 %: 0.390 to 0.410), R² 0.500. Best "
        "baseline, median of the training labels: 0.350 eV (0.300 to 0.400). **The network is "
        "worse than this baseline.**",
    ]
    assert "The network is worse than this baseline." in caplog.text
    assert "Warnings" not in lines
    rows = [line for line in lines if line.startswith("|")]
    setting = "| mp | 100 | gap (eV) | sitenet | 2 |"
    assert f"{setting} 0.320 ± 0.020 | 0.310 to 0.330 | 0.290 |" in rows[2]
    assert "| median of the training labels | 0.350 | 1.30 | 0.350 | 1.30 | 0.800 |" in rows[2]
    assert "| cutoff5 | 1 | 0.400 |" in rows[3]
    assert len({line.count("|") for line in rows}) == 1


def test_warnings_stand_above_the_table_each_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    runs = [_run(tmp_path, seed, 0.3, crystals=40) for seed in (0, 1)]
    pooled = tmp_path / "mp" / "n100" / "gap" / "sitenet" / "ensemble" / "metrics.json"
    write_json(pooled, {"splits": {"test": {"mae": 0.31, "r2": None}}, "pooled_folds": True})
    reports = [
        _report(tmp_path, f"gap.fold{k}", folds=5, warnings=["2 of 90 labels are far; check"],
                shared={"train-test": {"crystals": 3 + k}})
        for k in (0, 1)
    ]  # fmt: skip
    write_metrics_table(runs, [pooled], [_baselines(tmp_path, [("sitenet", 0), ("sitenet", 1)])],
                        reports, tmp_path / "metrics.csv", tmp_path / "metrics.md")  # fmt: skip
    text = (tmp_path / "metrics.md").read_text()
    assert "pooled over the folds 0.310 eV" in text
    warned = text.split("**Warnings**")[1].split("\n| data set")[0].strip().splitlines()
    assert [line[: len("- mp, gap: ") + 20] for line in warned] == [
        "- mp, gap: 2 of 90 labels are f",
        "- mp, gap: only 40 training cry",
        "- mp, gap: only 40 validation c",
        "- mp, gap: 2 of 5 folds are tes",
        "- mp, gap: 4 test crystals have",
    ]
    assert "take the mean over all folds" in warned[2]
    assert all(line.removeprefix("- ") in caplog.text for line in warned)


def test_what_flatters_or_shames_is_told(tmp_path: Path) -> None:
    """Known structure types, and an R2 below that of the mean."""
    path = _run(tmp_path, 3, 0.1)
    record = read_json(path)
    record["splits"]["test"]["r2"] = -1.56
    write_json(path, record)
    write_metrics_table([path], [], [_baselines(tmp_path, [("sitenet", 3)])], [_report(tmp_path)],
                        tmp_path / "metrics.csv", tmp_path / "metrics.md")  # fmt: skip
    text = (tmp_path / "metrics.md").read_text()
    assert "R² -1.560." in text
    assert "**R² is below 0: its squared error is larger than that of the mean.**" in text
    assert "worse than this baseline" not in text
    assert "99% of the test crystals have the structure type of a training crystal" in text


@pytest.mark.parametrize(
    ("value", "text"), [(0.012345, "0.0123"), (1234.5, "1234"), (4.567, "4.57"), (0, "0")]
)
def test_readable(value: float, text: str) -> None:
    assert readable(value) == text


def test_with_error() -> None:
    assert with_error(0.2468, 0.0123) == "0.247 ± 0.012"
    assert with_error(0.2468, float("nan")) == "0.247"


@pytest.mark.parametrize(("unit", "text"), [("eV", " eV"), ("1/cm", " 1/cm"), ("1", ""), ("", "")])
def test_no_unit_stands_after_numbers_without_dimension(unit: str, text: str) -> None:
    assert after_number(unit) == text
    assert in_brackets("MAE", unit) == (f"MAE ({unit})" if text else "MAE")
