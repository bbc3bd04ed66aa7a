"""Errors of a regression, with their uncertainty for a finite test set."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

BLOCK = 2**22  # resampled indices in memory at a time


def regression_metrics(
    target: Float, prediction: Float, seed: int, resamples: int = 2000
) -> dict[str, Any]:
    """Errors of `prediction` (n,) for `target` (n,), in the label's unit.

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
        "mae_interval": bootstrap_interval(size, seed, resamples),
        "n": len(target),
    }


def bootstrap_interval(values: Float, seed: int, resamples: int = 2000) -> list[float]:
    """Percentile bootstrap 95 % interval [low, high] of the mean of `values` (n,)."""
    rng = np.random.default_rng(seed)
    rows = max(1, BLOCK // len(values))
    means = [
        values[rng.integers(len(values), size=(min(rows, resamples - done), len(values)))].mean(1)
        for done in range(0, resamples, rows)
    ]
    low, high = np.percentile(np.concatenate(means), [2.5, 97.5])
    return [float(low), float(high)]
