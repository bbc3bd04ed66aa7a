"""Baselines for a network: what a user would take instead, trained on the same crystals."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sitenet.evaluate.metrics import regression_metrics
from sitenet.evaluate.run_paths import setting_of
from sitenet.progress import log
from sitenet.tables import read_table, write_table

Float = NDArray[np.float64]

NAMES = {
    "mean": "mean of the training labels",
    "median": "median of the training labels",
    "formula": "same formula",
    "structure_type": "same structure type",
    "extra_trees": "extremely randomised trees",
    "boosting": "gradient boosting",
}
"""The baselines, in words."""

TREES, ROUNDS = 100, 200


def write_baselines(
    predictions: Sequence[Path], features: Path, out: Path, seed: int, workers: int = 1
) -> None:
    """Train the baselines on the training crystals of each run; write their errors as CSV.

    Runs with the same crystals in each part have the same baselines, which are computed once.

    Args:
        predictions: tables of runs of one task: id, split, formula, target.
        features: table of `sitenet.evaluate.baseline_features`.
        out: CSV file to write, with a row for each run and baseline: n, variant, seed, baseline,
            val_mae, test_mae, test_mae_low, test_mae_high (95 %), test_rmse, test_r2, `known`
            (share of the test crystals whose formula or structure type is trained on; of other
            baselines empty), and whether it is the `best`: that with the lowest validation error.
        seed: of the trees and the bootstrap.
        workers: threads.
    """
    known = read_table(features).set_index("id")
    done: dict[int, list[dict[str, Any]]] = {}
    rows = []
    for path in predictions:
        table = read_table(path, ["id", "split", "formula", "target"])
        table = table[table.split.isin(["train", "val", "test"])]
        key = hash(tuple(map(tuple, table[["id", "split"]].to_numpy())))
        if key not in done:
            done[key] = baseline_errors(table, known.loc[table.id], seed, workers)
        setting = setting_of(path)
        run = {"n": setting["n"], "variant": setting["variant"],
               "seed": int(path.parent.name.removeprefix("seed"))}  # fmt: skip
        rows += [{**run, **errors} for errors in done[key]]
    write_table(out, pd.DataFrame(rows))
    best = next(row for row in rows if row["best"])
    log.info(
        f"{out.parent.parent.name} {out.stem}: best baseline of {len(done)} training sets, by "
        f"validation error: {NAMES[best['baseline']]}, test MAE {best['test_mae']:.4g}"
    )


def baseline_errors(
    table: pd.DataFrame, features: pd.DataFrame, seed: int, workers: int = 1
) -> list[dict[str, Any]]:
    """Errors of all baselines, see `write_baselines`.

    `table` (split, formula, target) and `features` have the same rows.
    """
    found = []
    val, test = ((table.split == part).to_numpy() for part in ("val", "test"))
    target, groups = table.target.to_numpy(), table.formula.to_numpy()
    for name, values in predicted(table, features, seed, workers).items():
        errors = regression_metrics(target[test], values[test], seed, groups=groups[test])
        low, high = errors["mae_interval"]
        found.append(
            {
                "baseline": name,
                "val_mae": float(np.abs(values - target)[val].mean()),
                "test_mae": errors["mae"],
                "test_mae_low": low,
                "test_mae_high": high,
                "test_rmse": errors["rmse"],
                "test_r2": errors["r2"],
                "known": _known(table, features, name),
            }
        )
    best = min(found, key=lambda row: row["val_mae"])
    return [{**row, "best": row is best} for row in found]


def _known(table: pd.DataFrame, features: pd.DataFrame, name: str) -> float | None:
    """Share of the test crystals whose formula or structure type is trained on."""
    if name not in ("formula", "structure_type"):
        return None
    groups = (table if name == "formula" else features)[name].to_numpy()
    train, test = ((table.split == part).to_numpy() for part in ("train", "test"))
    return float(np.isin(groups[test].astype(str), groups[train].astype(str)).mean())


def predicted(
    table: pd.DataFrame, features: pd.DataFrame, seed: int, workers: int = 1
) -> dict[str, Float]:
    """Predictions (n,) of each baseline for all crystals, by its name in `NAMES`.

    formula, structure_type: mean label of the training crystals with the same, or of all where
    there are none. extra_trees, boosting: on the numbers among `features`.
    """
    # Imported on use: importing it at the start would take as long as importing PyTorch.
    from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingRegressor

    train = (table.split == "train").to_numpy()
    target = table.target.to_numpy(dtype=np.float64)
    known = target[train]
    if not len(known):
        raise ValueError("baselines need training crystals")
    numbers = features.select_dtypes("number").to_numpy(dtype=np.float64)
    middle = np.nan_to_num(np.nanmedian(np.vstack([numbers[train], numbers[:1] * 0]), axis=0))
    numbers = np.where(np.isnan(numbers), middle, numbers)
    trees = {
        "extra_trees": ExtraTreesRegressor(
            TREES, max_features=1 / 3, random_state=seed, n_jobs=workers
        ),
        "boosting": HistGradientBoostingRegressor(max_iter=ROUNDS, random_state=seed),
    }
    return {
        "mean": np.full(len(table), known.mean()),
        "median": np.full(len(table), np.median(known)),
        "formula": _mean_of_same(table.formula.to_numpy(), train, known),
        "structure_type": _mean_of_same(features.structure_type.to_numpy(), train, known),
        **{name: m.fit(numbers[train], known).predict(numbers) for name, m in trees.items()},
    }


def _mean_of_same(groups: NDArray[np.object_], train: NDArray[np.bool_], known: Float) -> Float:
    """Mean of the labels `known` of the training members of each one's group, or of all."""
    means = pd.Series(known).groupby(groups[train]).mean()
    return np.asarray(means.reindex(groups).fillna(known.mean()), dtype=np.float64)
