"""Statements on a task from several trainings of it, with the trainings as the sample.

Two trainings that differ in their seed alone can differ more than two tasks, and measuring more
crystals of one training does not tell how much. Intervals therefore come from a bootstrap that
draws trainings and crystals, both with replacement (A. B. Owen, Ann. Appl. Stat. 1, 386, 2007,
doi:10.1214/07-AOAS122), where a crystal that is drawn counts in all trainings; differences between
tasks are tested over trainings by the test of B. L. Welch (Biometrika 34, 28, 1947,
doi:10.1093/biomet/34.1-2.28).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sitenet.analysis.correlation import bootstrap_samples, weighted_rho

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Measure = Callable[[pd.DataFrame, Int], Float]
"""Values (R,) of one training's crystals (n rows), row i counted `counts[r, i]` times."""


@dataclass(frozen=True)
class Estimate:
    """A mean over trainings with its 95 % percentile interval.

    With one training the interval is over its crystals alone and says nothing about others.
    """

    value: float
    low: float
    high: float
    trainings: int


@dataclass(frozen=True)
class Difference:
    """Mean difference of a measure between the trainings of two tasks.

    low, high: limits of Welch's 95 % interval, p: of his two-sided test; NaN unless both tasks
    have two trainings that differ. larger: fraction of all pairs of one training of each task in
    which the first task's value is larger (a tie counts as one half).
    """

    value: float
    low: float
    high: float
    p: float
    larger: float


def estimate(
    trainings: Sequence[pd.DataFrame], measure: Measure, seed: int, resamples: int = 2000
) -> Estimate:
    """Mean of a measure over trainings, each with a table of its crystals and their column `id`.

    Raises ValueError without trainings, or if the measure is undefined in one of them.
    """
    if not trainings:
        raise ValueError("a mean over trainings needs at least one")
    whole = [measure(table, np.ones((1, len(table)), dtype=np.int64))[0] for table in trainings]
    if np.isnan(whole).any():
        raise ValueError("the measure is undefined in one of the trainings")
    ids = pd.Index(np.unique(np.concatenate([table["id"] for table in trainings])))
    rows = [ids.get_indexer(table["id"]) for table in trainings]
    rng = np.random.default_rng(seed)
    values = np.concatenate(
        [
            np.stack([measure(t, counts[:, r]) for t, r in zip(trainings, rows, strict=True)], 1)
            for counts in bootstrap_samples(rng, resamples, len(ids))
        ]
    )
    drawn = rng.integers(len(trainings), size=values.shape)
    means = np.take_along_axis(values, drawn, axis=1).mean(axis=1)
    low, high = np.nanpercentile(means, [2.5, 97.5])
    return Estimate(float(np.mean(whole)), float(low), float(high), len(trainings))


def rho_with(x: str, y: str) -> Measure:
    """Spearman's rank correlation of two columns; NaN for resamples in which one does not vary.

    The measure raises ValueError if a column of the table is constant or not finite.
    """

    def measure(table: pd.DataFrame, counts: Int) -> Float:
        pair = table[[x, y]].to_numpy(dtype=np.float64)
        if not len(pair) or not np.isfinite(pair).all():
            raise ValueError("a correlation needs pairs of finite numbers")
        if (np.ptp(pair, axis=0) == 0).any():
            raise ValueError("the correlation is undefined: it needs numbers that vary")
        return weighted_rho(pair[:, 0], pair[:, 1], counts)

    return measure


def median_of(column: str) -> Measure:
    """Median of a column; NaN for a resample without crystals."""
    return lambda table, counts: weighted_median(table[column].to_numpy(), counts)


def weighted_median(values: Float, counts: Int) -> Float:
    """Median (R,) of resamples that contain value i (n,) `counts[r, i]` times."""
    order = np.argsort(values, kind="stable")
    total = np.cumsum(counts[:, order], axis=1)
    size = total[:, -1:]
    middle = [(total > (size - 1 + k) // 2).argmax(axis=1) for k in (0, 1)]
    median = values[order[np.stack(middle)]].mean(axis=0)
    return np.where(size[:, 0] > 0, median, np.nan)


def paired_difference(differences: Float) -> Difference:
    """Mean of differences (S,) of pairs of trainings, by the t test of Student.

    Low, high and p are NaN for fewer than two that differ.
    """
    from scipy.stats import ttest_1samp  # imported on use: takes most of a second

    values = np.asarray(differences, dtype=np.float64)
    low = high = p = np.nan
    if len(values) > 1 and np.ptp(values) > 0:
        test = ttest_1samp(values, 0.0)
        low, high = test.confidence_interval(0.95)
        p = test.pvalue
    larger = float(np.mean((np.sign(values) + 1) / 2))
    return Difference(float(values.mean()), float(low), float(high), float(p), larger)


def difference(first: Float, second: Float) -> Difference:
    """Compare two tasks by one value for each of their trainings: (S,) and (T,)."""
    from scipy.stats import ttest_ind  # imported on use: takes most of a second

    first, second = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    apart = np.sign(first[:, None] - second)
    low = high = p = np.nan
    if min(len(first), len(second)) > 1 and (np.ptp(first) > 0 or np.ptp(second) > 0):
        test = ttest_ind(first, second, equal_var=False)
        low, high = test.confidence_interval(0.95)
        p = test.pvalue
    larger = float(np.mean((apart + 1) / 2))
    return Difference(
        float(first.mean() - second.mean()), float(low), float(high), float(p), larger
    )
