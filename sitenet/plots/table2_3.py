"""Tables 2 and 3 of doi:10.1039/d3dd00005b: errors by supercell size and training set size."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pandas as pd

from sitenet.evaluate.rounding import in_brackets, readable, with_error
from sitenet.evaluate.run_paths import setting_of
from sitenet.files import read_json, write_text
from sitenet.tables import write_table

PUBLISHED: dict[tuple[str, str], dict[tuple[int, float | None, int | None], float]] = {
    ("mp_gap", "band_gap"): {
        (50, None, 1000): 0.75, (50, None, 10000): 0.47, (50, None, None): 0.294,
        (100, None, 1000): 0.78, (100, None, 10000): 0.49, (100, None, None): 0.246,
        (500, None, 1000): 0.74, (500, None, 10000): 0.47, (500, None, None): 0.234,
        (500, 5.0, None): 0.273,
    },
    ("mp_e_form", "formation_energy"): {(500, None, None): 0.034},
}  # fmt: skip
"""Test MAE of the paper by data set and task (names of config/matbench.yaml), then by N, cutoff (A)
and training crystals (None: all)."""

SETTING = ["dataset", "task", "n", "variant"]

LENGTH = ["max_epochs", "patience", "warmup_epochs", "batch_sites"]
"""Options that may differ between the trainings in one line of table 3."""


def read_runs(metrics: Sequence[Path]) -> pd.DataFrame:
    """Table of runs: SETTING, seed, unit, cutoff, train_size (NaN: all), trained, test_mae, alike.

    `alike` is equal for settings that differ only in N, training size and LENGTH.
    """
    return pd.DataFrame([_row(Path(path)) for path in metrics])


def _row(path: Path) -> dict[str, Any]:
    record = read_json(path)
    training = dict(record["training"])
    size, seed = training.pop("train_size"), training.pop("seed")
    options = {name: value for name, value in training.items() if name not in LENGTH}
    return {
        **setting_of(path),
        "seed": seed,
        "unit": record["unit"],
        "cutoff": record["model"]["cutoff"],
        "train_size": size,
        "trained": record["splits"]["train"]["n"],
        "test_mae": record["splits"]["test"]["mae"],
        "alike": json.dumps([record["model"], options], sort_keys=True),
    }


def write_table2(metrics: Sequence[Path], csv: Path, markdown: Path) -> None:
    """Write the errors of all settings that are trained on all training crystals, by N and cutoff.

    CSV columns: SETTING, unit, cutoff, trained, seeds, test_mae, standard_error, published. The
    Markdown table has the same content.
    """
    runs = read_runs(metrics)
    table = _over_seeds(runs[runs.train_size.isna()])
    _write_csv(table.drop(columns=["alike", "train_size"]), csv)
    head = ["data set", "task", "N", "cutoff (Å)", "variant", "training crystals", "seeds",
            "test MAE", "published"]  # fmt: skip
    lines = [
        [
            row.dataset,
            in_brackets(row.task, row.unit),
            str(row.n),
            _cutoff(row.cutoff),
            row.variant,
            f"{row.trained:,.0f}",
            str(row.seeds),
            with_error(row.test_mae, row.standard_error),
            _number(row.published),
        ]
        for row in _rows(table)
    ]
    _write_markdown(head, lines, 5, markdown)


def write_table3(metrics: Sequence[Path], csv: Path, markdown: Path) -> None:
    """Write errors by N and number of training crystals, for settings with several such numbers.

    CSV columns as in table 2, and train_size (empty: all). The Markdown table has a column for each
    size; settings of one size that differ in LENGTH have separate lines.
    """
    table = _over_seeds(read_runs(metrics))
    family = ["dataset", "task", "alike"]
    several = table.groupby(family)["train_size"].transform(lambda s: s.nunique(dropna=False) > 1)
    table = table[several.astype(bool)]
    _write_csv(table.drop(columns="alike"), csv)
    table["line"] = table.groupby([*family, "n", "train_size"], dropna=False).cumcount()
    sizes = sorted(table.train_size.dropna().unique())
    names = [f"{size:,.0f}" for size in sizes] + ["all"]
    lines = []
    for key, rows in table.groupby([*family, "n", "line"], sort=False):
        dataset, task, _, n, _ = map(str, cast(tuple, key))
        by_size: dict[float, Any] = {
            row.train_size: row for row in _rows(rows.fillna({"train_size": 0}))
        }
        first = rows.iloc[0]
        cells = [_cell(by_size.get(size)) for size in [*sizes, 0]]
        lines.append([dataset, in_brackets(task, first.unit), n, _cutoff(first.cutoff), *cells])
    _write_markdown(["data set", "task", "N", "cutoff (Å)", *names], lines, 4, markdown)


def _over_seeds(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per setting: mean and standard error of the test MAE over the seeds."""
    groups = runs.groupby(SETTING, sort=False)
    table = groups.first().drop(columns="seed")
    table["seeds"] = groups.size()
    table["test_mae"] = groups["test_mae"].mean()
    table["standard_error"] = groups["test_mae"].sem()  # NaN for one seed
    table = table.reset_index()
    table["published"] = [_published(row) for row in _rows(table)]
    return table


def _rows(table: pd.DataFrame) -> list[Any]:
    return list(table.itertuples())


def _published(row: Any) -> float | None:
    def given(value: float) -> float | None:
        return None if pd.isna(value) else value

    published = PUBLISHED.get((row.dataset, row.task), {})
    size = given(row.train_size)
    return published.get((row.n, given(row.cutoff), None if size is None else int(size)))


def _cell(row: Any) -> str:
    """Error for one size, with the published value in brackets."""
    if row is None:
        return ""
    text = with_error(row.test_mae, row.standard_error)
    published = _number(row.published)
    return f"{text} ({published})" if published else text


def _cutoff(value: float | None) -> str:
    return "" if pd.isna(value) else f"{value:g}"


def _number(value: float | None) -> str:
    return "" if pd.isna(value) else readable(value)


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    write_table(path, table)


def _write_markdown(
    head: Sequence[str], lines: Sequence[Sequence[str]], text_columns: int, path: Path
) -> None:
    rule = ["---"] * text_columns + ["---:"] * (len(head) - text_columns)
    note = (
        "\nTest MAE in the unit beside the task: mean ± standard error over seeds. Crystals whose "
        "primitive cell has more than N sites are left out of training, not of tests.\n"
    )
    rows = "".join(f"| {' | '.join(line)} |\n" for line in (head, rule, *lines))
    write_text(path, rows + note)
