"""Errors of a regression, with their uncertainty for a finite test set."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Float = NDArray[np.float64]

BLOCK = 2**22  # resampled indices in memory at a time


def regression_metrics(
    target: Float,
    prediction: Float,
    seed: int,
    resamples: int = 2000,
    groups: NDArray[np.object_] | None = None,
) -> dict[str, Any]:
    """Errors of `prediction` (n,) for `target` (n,), in the label's unit.

    groups: (n,) names of what is resampled as a whole, such as formulas; None: each by itself.

    Keys: mae, rmse, r2 (1 - residual / total sum of squares; None if the targets are constant),
    mae_positive (MAE for targets > 0; None if there are none), mae_interval (bootstrap 95 %
    interval of the MAE), n. Raises ValueError for empty or non-finite input and other shapes.
    """
    target = np.asarray(target, dtype=np.float64)
    prediction = np.asarray(prediction, dtype=np.float64)
    if target.ndim != 1 or target.shape != prediction.shape or target.size == 0:
        raise ValueError(f"cannot compare {target.shape} targets with {prediction.shape}")
    if not (np.isfinite(target).all() and np.isfinite(prediction).all()):
        raise ValueError("targets or predictions are not finite")
    error = prediction - target
    size = np.abs(error)
    total = float(((target - target.mean()) ** 2).sum())
    positive = target > 0
    return {
        "mae": float(size.mean()),
        "rmse": float(np.sqrt((error**2).mean())),
        "r2": 1 - float((error**2).sum()) / total if np.ptp(target) > 0 else None,
        "mae_positive": float(size[positive].mean()) if positive.any() else None,
        "mae_interval": bootstrap_interval(size, seed, resamples, groups),
        "n": len(target),
    }


def split_metrics(predictions: pd.DataFrame, seed: int) -> dict[str, dict[str, Any]]:
    """`regression_metrics` of each part of the split, formulas resampled as a whole.

    predictions: columns split, formula, target, prediction.
    """
    return {
        str(part): regression_metrics(
            rows.target.to_numpy(), rows.prediction.to_numpy(), seed, groups=rows.formula.to_numpy()
        )
        for part, rows in predictions.groupby("split")
    }


def bootstrap_interval(
    values: Float,
    seed: int,
    resamples: int = 2000,
    groups: NDArray[np.object_] | None = None,
) -> list[float]:
    """Percentile bootstrap 95 % interval [low, high] of the mean of `values` (n,).

    Whole `groups` (n,) are resampled, or single values (None): errors of polymorphs are alike.
    """
    rng = np.random.default_rng(seed)
    group = np.arange(len(values)) if groups is None else pd.factorize(groups)[0]
    totals, counts = np.bincount(group, weights=values), np.bincount(group)
    rows = max(1, BLOCK // len(totals))
    means = []
    for done in range(0, resamples, rows):
        drawn = rng.integers(len(totals), size=(min(rows, resamples - done), len(totals)))
        means.append(totals[drawn].sum(1) / counts[drawn].sum(1))
    low, high = np.percentile(np.concatenate(means), [2.5, 97.5])
    return [float(low), float(high)]
