"""Range of the attention by task, with the trainings of a task as the sample (figure 7).

Tables of points have a row for each training and test crystal: task, dataset, seed, id (of the
crystal), long_range_coefficient and even_coefficient (A), and measures of the crystal.
"""

from collections.abc import Sequence
from dataclasses import asdict
from itertools import combinations

import numpy as np
import pandas as pd

from sitenet.analysis.correlation import Line, least_squares
from sitenet.analysis.over_trainings import (
    Estimate,
    Measure,
    difference,
    estimate,
    median_of,
    rho_with,
)

REACH, EVEN = "long_range_coefficient", "even_coefficient"
RESAMPLES = 2000
ALL = "all"
"""In the column `seed`: the row is about all trainings of the task."""


def trainings_of(points: pd.DataFrame) -> list[pd.DataFrame]:
    """The points of each training of a task, by seed."""
    return [own for _, own in points.groupby("seed")]


def lines(points: pd.DataFrame, against: str) -> list[Line]:
    """Least-squares line of each training of a task; NaN where the crystals are all alike."""
    return [_line(own[against].to_numpy(), own[REACH].to_numpy()) for own in trainings_of(points)]


def correlations(task: str, points: pd.DataFrame, against: str, seed: int) -> pd.DataFrame:
    """How the coefficients of a task go with a measure of the crystals.

    A row for each training, whose intervals are over its crystals, and one for all of them (`seed`
    is ALL), whose intervals are over trainings and crystals. Columns: task, against, seed,
    trainings, crystals; spearman, its limits spearman_low and spearman_high, the same of even
    attention as even_spearman...; slope and intercept of the least-squares line; median,
    median_low, median_high, even_median (A); above_even, the fraction of the crystals with a
    larger coefficient than that of even attention. Values for all trainings are means over them.
    """
    own = trainings_of(points)
    rows = [_row(ALL, own, against, seed)]
    rows += [_row(str(one.seed.iloc[0]), [one], against, seed) for one in own]
    table = pd.DataFrame(rows)
    table.insert(0, "against", against)
    table.insert(0, "task", task)
    return table


def compare_tasks(points: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Compare the medians of the trainings of every two tasks on their common test crystals.

    A row for each two tasks with common crystals (of one data set): task, other_task, trainings,
    other_trainings, crystals (in common); median and other_median (A, means over trainings),
    even_median and other_even_median (of even attention with each task's N); difference (A) with
    its Welch interval low, high and test p over trainings, which are empty for single trainings;
    larger (fraction of all pairs of one training of each task in which the first one's median is
    larger); crystals_larger (fraction of the crystals with the larger mean over trainings).
    """
    rows = []
    for pair in combinations(points, 2):
        first, second = (own.set_index(["dataset", "id"]) for own in pair)
        common = first.index.unique().intersection(second.index.unique(), sort=True)
        if common.empty:
            continue
        both = [own[own.index.isin(common)] for own in (first, second)]
        medians = [own.groupby("seed")[REACH].median().to_numpy() for own in both]
        even = [own[EVEN].median() for own in both]
        means = [own.groupby(level=[0, 1])[REACH].mean() for own in both]
        rows.append(
            {
                "task": pair[0].task.iloc[0],
                "other_task": pair[1].task.iloc[0],
                "trainings": len(medians[0]),
                "other_trainings": len(medians[1]),
                "crystals": len(common),
                "median": medians[0].mean(),
                "other_median": medians[1].mean(),
                "even_median": even[0],
                "other_even_median": even[1],
                **_renamed(asdict(difference(*medians)), value="difference"),
                "crystals_larger": float(np.mean(means[0].loc[common] > means[1].loc[common])),
            }
        )
    columns = ["task", "other_task", "trainings", "other_trainings", "crystals", "median",
               "other_median", "even_median", "other_even_median", "difference", "low", "high",
               "p", "larger", "crystals_larger"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def _row(
    name: str, trainings: Sequence[pd.DataFrame], against: str, seed: int
) -> dict[str, object]:
    fits = [_line(own[against].to_numpy(), own[REACH].to_numpy()) for own in trainings]
    rho = _estimate(trainings, rho_with(against, REACH), seed)
    even = _estimate(trainings, rho_with(against, EVEN), seed)
    middle = _estimate(trainings, median_of(REACH), seed)
    crystals = {key for own in trainings for key in zip(own["dataset"], own["id"], strict=True)}
    return {
        "seed": name,
        "trainings": len(trainings),
        "crystals": len(crystals),
        "spearman": rho.value,
        "spearman_low": rho.low,
        "spearman_high": rho.high,
        "even_spearman": even.value,
        "even_spearman_low": even.low,
        "even_spearman_high": even.high,
        "slope": _mean([fit.slope for fit in fits]),
        "intercept": _mean([fit.intercept for fit in fits]),
        "median": middle.value,
        "median_low": middle.low,
        "median_high": middle.high,
        "even_median": _mean([own[EVEN].median() for own in trainings]),
        "above_even": _mean([(own[REACH] > own[EVEN]).mean() for own in trainings]),
    }


def _estimate(trainings: Sequence[pd.DataFrame], measure: Measure, seed: int) -> Estimate:
    """The mean over trainings; NaN if it is undefined, as for crystals that are all alike."""
    try:
        return estimate(trainings, measure, seed, RESAMPLES)
    except ValueError:
        return Estimate(np.nan, np.nan, np.nan, len(trainings))


def _line(x: np.ndarray, y: np.ndarray) -> Line:
    varies = len(x) > 0 and np.ptp(x) > 0
    return least_squares(x, y) if varies else Line(np.nan, np.nan)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else np.nan


def _renamed(row: dict[str, float], **names: str) -> dict[str, float]:
    return {names.get(key, key): value for key, value in row.items()}
