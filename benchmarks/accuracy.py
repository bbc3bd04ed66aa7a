"""Errors of settings over their seeds, and of the ensembles of these.

python benchmarks/accuracy.py results/mp5k/n50/*/*

prints for each folder of a setting (task and variant) the validation and test errors of its runs,
mean and standard deviation over the seeds, the test error of their mean prediction weighted by the
inverse of the validation errors (as in the ensembles of the pipeline), and the median speed of the
training in crystals/s. Only crystals of at most N sites count, which alone are trained on.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from sitenet.files import read_json


def row_of(setting: Path) -> list[str]:
    """Cells of a setting."""
    runs = sorted(path.parent for path in setting.glob("seed*/metrics.json"))
    largest = read_json(runs[0] / "model.json")["features"]["n_atoms"]
    tables = [pd.read_parquet(run / "predictions.parquet").set_index("id") for run in runs]
    tables = [table[table.n_sites <= largest] for table in tables]
    errors = {
        part: np.array([_error(one[one.split == part]) for one in tables])
        for part in ("val", "test")
    }
    test = tables[0][tables[0].split == "test"]
    predictions = np.array([one.prediction.loc[test.index] for one in tables])
    weights = 1 / errors["val"]
    together = test.assign(prediction=weights / weights.sum() @ predictions)
    speed = np.median([
        pd.read_csv(run / "history.csv").structures_per_second.median() for run in runs
    ])  # fmt: skip
    return [
        setting.parent.name,
        setting.name,
        str(len(runs)),
        *(_spread(found) for found in errors.values()),
        f"{_error(together):.4f}" if len(runs) > 1 else "",
        f"{len(test):,}",
        f"{speed:.0f}",
    ]


def _error(table: pd.DataFrame) -> float:
    return float((table.prediction - table.target).abs().mean())


def _spread(values: np.ndarray) -> str:
    return f"{values.mean():.4f}" + (f" ± {values.std(ddof=1):.4f}" if len(values) > 1 else "")


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("settings", type=Path, nargs="+")
    settings = [
        path for path in parser.parse_args().settings if any(path.glob("seed*/metrics.json"))
    ]
    print("| task | variant | seeds | validation | test | ensemble | test crystals | crystals/s |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for setting in settings:
        print(f"| {' | '.join(row_of(setting))} |")


if __name__ == "__main__":
    main()
