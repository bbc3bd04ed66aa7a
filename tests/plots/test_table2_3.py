"""Tables 2 and 3 from the metrics of runs."""

import json
from pathlib import Path

import pandas as pd
import pytest

from sitenet.plots.table2_3 import write_table2, write_table3


def write_metrics(folder: Path, dataset: str, n: int, task: str, variant: str, seed: int,
                  mae: float, size: int | None = None, cutoff: float | None = None,
                  epochs: int = 9) -> Path:  # fmt: skip
    path = folder / dataset / f"n{n}" / task / variant / f"seed{seed}" / "metrics.json"
    path.parent.mkdir(parents=True)
    record = {
        "unit": "eV",
        "model": {"cutoff": cutoff, "heads": 3},
        "training": {"train_size": size, "seed": seed, "max_epochs": epochs},
        "splits": {"train": {"n": size or 5000}, "test": {"mae": mae}},
    }
    path.write_text(json.dumps(record))
    return path


@pytest.fixture
def metrics(tmp_path: Path) -> list[Path]:
    def gap(n: int, variant: str, seed: int, mae: float, **options) -> Path:
        return write_metrics(tmp_path, "mp_gap", n, "band_gap", variant, seed, mae, **options)

    return [
        gap(50, "sitenet", 0, 0.30),
        gap(50, "sitenet", 1, 0.34),
        gap(500, "sitenet", 0, 0.25),
        gap(500, "cutoff5", 0, 0.28, cutoff=5.0),
        gap(50, "small", 0, 0.80, size=1000, epochs=90),  # of few crystals more epochs
        gap(50, "small", 1, 0.70, size=1000, epochs=90),
        gap(500, "small", 0, 0.76, size=1000, epochs=90),
        write_metrics(tmp_path, "own", 50, "energy", "sitenet", 0, 1.5),
    ]


def test_table_2_has_means_errors_and_the_papers_values(metrics, tmp_path):
    write_table2(metrics, tmp_path / "2.csv", tmp_path / "2.md")
    table = pd.read_csv(tmp_path / "2.csv")
    assert table.variant.tolist() == ["sitenet", "sitenet", "cutoff5", "sitenet"]
    first = table.iloc[0]
    assert first.test_mae == pytest.approx(0.32)
    assert first.standard_error == pytest.approx(0.02)  # |a - b| / 2 for two runs
    assert table.seeds.tolist() == [2, 1, 1, 1]
    assert table.published[:3].tolist() == [0.294, 0.234, 0.273]
    assert pd.isna(table.published[3])
    lines = (tmp_path / "2.md").read_text().splitlines()
    assert "| 0.320 ± 0.020 | 0.294 |" in lines[2]


def test_table_3_has_a_column_for_each_size(metrics, tmp_path):
    write_table3(metrics, tmp_path / "3.csv", tmp_path / "3.md")
    table = pd.read_csv(tmp_path / "3.csv")
    assert set(table.dataset) == {"mp_gap"}  # the other was trained with one size only
    assert set(table.variant) == {"sitenet", "small"}  # the cutoff was not
    lines = (tmp_path / "3.md").read_text().splitlines()
    assert lines[0].endswith("| 1,000 | all |")
    assert lines[2].endswith("| 0.750 ± 0.050 (0.750) | 0.320 ± 0.020 (0.294) |")
    assert lines[3].endswith("| 0.760 (0.740) | 0.250 (0.234) |")


def test_two_trainings_of_one_size_have_a_line_each(metrics, tmp_path):
    other = write_metrics(tmp_path, "mp_gap", 50, "band_gap", "tiny", 0, 0.9, size=1000, epochs=5)
    write_table3([*metrics, other], tmp_path / "3.csv", tmp_path / "3.md")
    lines = (tmp_path / "3.md").read_text().splitlines()
    assert [line.split("|")[3].strip() for line in lines[2:5]] == ["50", "500", "50"]
    assert lines[4].endswith("| 0.900 (0.750) |  |")


def test_without_several_sizes_table_3_is_empty(metrics, tmp_path):
    write_table3(metrics[-1:], tmp_path / "3.csv", tmp_path / "3.md")
    assert len(pd.read_csv(tmp_path / "3.csv")) == 0
