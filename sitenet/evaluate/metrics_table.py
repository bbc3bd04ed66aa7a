"""Table of the metrics of all runs, with means and standard errors over seeds."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sitenet.evaluate.baselines import NAMES
from sitenet.evaluate.headlines import best_baseline, headline, warnings_of
from sitenet.evaluate.rounding import readable, with_error
from sitenet.evaluate.run_paths import setting_of
from sitenet.files import read_json, write_text
from sitenet.progress import log
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
    metrics: Sequence[Path],
    ensembles: Sequence[Path],
    baselines: Sequence[Path],
    splits: Sequence[Path],
    csv: Path,
    markdown: Path,
) -> None:
    """Write the metrics of runs as CSV (one row per run) and Markdown (one row per setting).

    The Markdown file starts with a headline for each setting and with warnings; both are logged.

    Args:
        metrics: files .../{dataset}/n{N}/{task}/{variant}/seed{S}/metrics.json.
        ensembles: the same files of ensembles, in a folder `ensemble` instead of `seed{S}`.
        baselines: files {dataset}/baselines/{task}.csv of all runs.
        splits: files {dataset}/splits/*.json, the reports on all splits.
        csv: file to write. test_mae_mean, test_mae_error (standard error over seeds, empty for one
            seed), seeds, ensemble_test_mae, out_of_fold_mae, best_baseline and warnings are the
            same for all runs of a setting.
        markdown: file to write.
    """
    runs = pd.DataFrame([_row(Path(path)) for path in metrics])
    combined = {tuple(setting_of(path).values()): read_json(path) for path in map(Path, ensembles)}
    joined = [combined.get(tuple(setting)) for setting in runs[SETTING].to_numpy()]
    runs["ensemble_test_mae"] = [_of_test(one, "mae", folds=False) for one in joined]
    runs["out_of_fold_mae"] = [_of_test(one, "mae", folds=True) for one in joined]
    runs["out_of_fold_r2"] = [_of_test(one, "r2", folds=True) for one in joined]
    groups = runs.groupby(SETTING, sort=False)["test_mae"]
    runs["seeds"] = groups.transform("size")
    runs["test_mae_mean"] = groups.transform("mean")
    runs["test_mae_error"] = groups.transform("sem")  # NaN for one seed
    runs = runs.merge(_baselines(baselines), on=[*SETTING, "seed"], how="left", validate="1:1")
    reports = _reports(splits)
    settings = [rows for _, rows in runs.groupby(SETTING, sort=False)]
    warned: dict[str, None] = {}  # in order, each once
    for rows in settings:
        dataset, task = rows.iloc[0][["dataset", "task"]]
        found = warnings_of(rows, reports.get((dataset, task), []))
        warned.update(dict.fromkeys(f"{dataset}, {task}: {text}" for text in found))
        runs.loc[rows.index, "best_baseline"] = best_baseline(rows)
        runs.loc[rows.index, "warnings"] = " | ".join(found)
    write_table(csv, runs)
    settings = [runs.loc[rows.index] for rows in settings]
    headlines = [headline(rows) for rows in settings]
    write_text(markdown, _markdown(settings, headlines, warned))
    for text in headlines:
        log.info(text.replace("**", ""))
    for text in warned:
        log.warning(text)


def _row(path: Path) -> dict[str, Any]:
    """A run: its setting and seed, and its errors on each part of the split."""
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
    row.update({name: record[name] for name in FROM_RUN})
    return row


def _of_test(ensemble: dict[str, Any] | None, name: str, *, folds: bool) -> float:
    """A test error of an ensemble, if it has `folds` or has none as is asked for, or NaN."""
    if ensemble is None or ensemble["pooled_folds"] != folds:
        return np.nan
    value = ensemble["splits"]["test"][name]
    return np.nan if value is None else float(value)


def _baselines(tables: Sequence[Path]) -> pd.DataFrame:
    """A row for each run: its setting and seed, and baseline_NAME_* for each baseline."""
    columns = {"test_mae": "mae", "test_mae_low": "low", "test_mae_high": "high",
               "test_r2": "r2", "val_mae": "val_mae", "known": "known"}  # fmt: skip
    rows = []
    for path in map(Path, tables):
        errors = pd.read_csv(path, keep_default_na=False, na_values=[""])
        names = {"dataset": path.parent.parent.name, "task": path.stem}
        for (n, variant, seed), one in errors.groupby(["n", "variant", "seed"], sort=False):
            row = {**names, "n": n, "variant": variant, "seed": seed}
            for baseline in one.to_dict("records"):
                for column, short in columns.items():
                    row[f"baseline_{baseline['baseline']}_{short}"] = baseline[column]
            rows.append(row)
    return pd.DataFrame(rows)


def _reports(splits: Sequence[Path]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Reports on splits by data set and task."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for path in map(Path, splits):
        report = read_json(path)
        found.setdefault((path.parent.parent.name, report["task"]), []).append(report)
    return found


HEAD = [
    "data set", "N", "task", "variant", "seeds",
    "test MAE", "95 %", "ensemble", "out of fold", "RMSE", "R²", "MAE, target > 0",
    "validation MAE", "training MAE", "best baseline", "its test MAE", *NAMES.values(),
    "best epoch", "crystals/s", "memory (GiB)",
]  # fmt: skip

NOTE = """
MAE and RMSE in the unit beside the task. Test MAE: mean ± standard error over seeds; 95 %:
bootstrap interval over the formulas of the test crystals (its limits averaged over the seeds);
ensemble: test MAE of the weighted mean of the seeds' predictions; out of fold: MAE over all
crystals of a cross-validation, each predicted by the runs that were tested on it. Baselines, with
their test MAE, are trained on the same crystals: mean and median of the training labels; mean
label of the same formula, or of the same structure type (anonymous formula, space group and sites
of the primitive cell), else of all; extremely randomised trees and gradient boosting on Magpie
features of the composition, volume per atom and density. The best one is that with the lowest
validation error. Crystals/s: during training.
"""


def _markdown(
    settings: Sequence[pd.DataFrame], headlines: Sequence[str], warned: Collection[str]
) -> str:
    lines = [HEAD, ["---"] * 4 + ["---:"] * (len(HEAD) - 4), *map(_cells, settings)]
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    told = "".join(f"- {text}\n" for text in headlines)
    if warned:
        told += "\n**Warnings**\n\n" + "".join(f"- {text}\n" for text in warned)
    return f"{told}\n{table}{NOTE}"


def _cells(group: pd.DataFrame) -> list[str]:
    """The Markdown cells of one setting."""
    first, mean = group.iloc[0], group.mean(numeric_only=True)
    best = first["best_baseline"]
    return [
        first["dataset"],
        str(first["n"]),
        f"{first['task']} ({first['unit']})",
        first["variant"],
        str(len(group)),
        with_error(first["test_mae_mean"], first["test_mae_error"]),
        f"{readable(mean['test_mae_low'])} to {readable(mean['test_mae_high'])}",
        _optional(mean, "ensemble_test_mae"),
        _optional(mean, "out_of_fold_mae"),
        readable(mean["test_rmse"]),
        _optional(mean, "test_r2"),
        _optional(mean, "test_mae_positive"),
        readable(mean["val_mae"]),
        readable(mean["train_mae"]),
        NAMES[best],
        readable(mean[f"baseline_{best}_mae"]),
        *(readable(mean[f"baseline_{name}_mae"]) for name in NAMES),
        f"{mean['best_epoch']:.0f}",
        readable(mean["structures_per_second"]),
        f"{mean['peak_memory_bytes'] / 2**30:.2f}",
    ]


def _optional(values: pd.Series, name: str) -> str:
    """The number, or an empty cell if no run has it."""
    value = values.get(name, np.nan)
    return "" if np.isnan(value) else readable(value)
