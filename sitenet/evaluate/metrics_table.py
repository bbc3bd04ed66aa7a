"""Table of the metrics of all runs, with means and standard errors over seeds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sitenet.evaluate.rounding import readable, with_error
from sitenet.files import read_json, write_text
from sitenet.tables import write_table

SETTING = ["dataset", "n", "task", "variant"]
FROM_RUN = [
    "best_epoch",
    "epochs",
    "seconds",
    "structures_per_second",
    "peak_memory_bytes",
    "parameters",
    "device",
]


def write_metrics_table(
    metrics: Sequence[Path], ensembles: Sequence[Path], csv: Path, markdown: Path
) -> None:
    """Write the metrics of runs as CSV (one row per run) and Markdown (one row per setting).

    Args:
        metrics: files .../{dataset}/n{N}/{task}/{variant}/seed{S}/metrics.json.
        ensembles: the same files of ensembles, in a folder `ensemble` instead of `seed{S}`.
        csv: file to write. test_mae_mean, test_mae_error (standard error over seeds, empty for one
            seed), seeds and ensemble_test_mae are the same for all runs of a setting.
        markdown: file to write.
    """
    runs = pd.DataFrame([_row(Path(path)) for path in metrics])
    combined = {
        tuple(setting_of(Path(path)).values()): read_json(path)["splits"]["test"]["mae"]
        for path in ensembles
    }
    runs["ensemble_test_mae"] = [
        combined.get(tuple(setting), np.nan) for setting in runs[SETTING].to_numpy()
    ]
    groups = runs.groupby(SETTING, sort=False)["test_mae"]
    runs["seeds"] = groups.transform("size")
    runs["test_mae_mean"] = groups.transform("mean")
    runs["test_mae_error"] = groups.transform("sem")  # NaN for one seed
    write_table(csv, runs)
    write_text(markdown, _markdown(runs))


def setting_of(path: Path) -> dict[str, Any]:
    """The setting of a run or an ensemble, from its path."""
    dataset, n, task, variant = path.parts[-6:-2]
    return {"dataset": dataset, "n": int(n.removeprefix("n")), "task": task, "variant": variant}


def _row(path: Path) -> dict[str, Any]:
    """A run: its setting and seed, its errors on each part of the split, and its baselines."""
    record = read_json(path)
    row: dict[str, Any] = {
        **setting_of(path),
        "seed": int(path.parts[-2].removeprefix("seed")),
        "unit": record["unit"],
    }
    for part in ("test", "val", "train"):
        scores = dict(record["splits"][part])
        row[f"{part}_crystals"] = scores.pop("n")
        low, high = scores.pop("mae_interval")
        row.update({f"{part}_mae": scores.pop("mae"), f"{part}_mae_low": low})
        row[f"{part}_mae_high"] = high
        row.update({f"{part}_{name}": value for name, value in scores.items()})
    row.update({f"baseline_{name}_mae": mae for name, mae in record["baselines"].items()})
    row.update({name: record[name] for name in FROM_RUN})
    return row


HEAD = [
    "data set", "N", "task", "variant", "seeds",
    "test MAE", "95 %", "ensemble", "RMSE", "R²", "MAE, target > 0",
    "validation MAE", "training MAE", "mean", "median", "same formula", "composition",
    "best epoch", "crystals/s", "memory (GiB)",
]  # fmt: skip

NOTE = """
MAE and RMSE in the unit beside the task. Test MAE: mean ± standard error over seeds; 95 %:
bootstrap interval over the test crystals (its limits averaged over the seeds); ensemble: test MAE
of the weighted mean of the seeds' predictions. Columns mean to composition: test MAE of
predictions that do not use the structure (mean and median of the training labels, mean label of
the same formula, ridge regression on the composition). Crystals/s: during training.
"""


def _markdown(runs: pd.DataFrame) -> str:
    rows = [_cells(group) for _, group in runs.groupby(SETTING, sort=False)]
    lines = [HEAD, ["---"] * 4 + ["---:"] * (len(HEAD) - 4), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines) + NOTE


def _cells(group: pd.DataFrame) -> list[str]:
    """The Markdown cells of one setting."""
    first, mean = group.iloc[0], group.mean(numeric_only=True)
    return [
        first["dataset"],
        str(first["n"]),
        f"{first['task']} ({first['unit']})",
        first["variant"],
        str(len(group)),
        with_error(first["test_mae_mean"], first["test_mae_error"]),
        f"{readable(mean['test_mae_low'])} to {readable(mean['test_mae_high'])}",
        _optional(mean, "ensemble_test_mae"),
        readable(mean["test_rmse"]),
        _optional(mean, "test_r2"),
        _optional(mean, "test_mae_positive"),
        readable(mean["val_mae"]),
        readable(mean["train_mae"]),
        *(
            readable(mean[f"baseline_{name}_mae"])
            for name in ("mean", "median", "formula", "composition")
        ),
        f"{mean['best_epoch']:.0f}",
        readable(mean["structures_per_second"]),
        f"{mean['peak_memory_bytes'] / 2**30:.2f}",
    ]


def _optional(values: pd.Series, name: str) -> str:
    """The number, or an empty cell if no run has it."""
    value = values.get(name, np.nan)
    return "" if np.isnan(value) else readable(value)
