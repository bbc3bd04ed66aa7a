"""Which measure of the range of a network reads the range of its label, over trainings.

Labels of known range are the test: a measure that reads the range orders the trainings of two
labels as their ranges are ordered. Tables of trainings have a row for each: task, known_range (A,
NaN if it is not known) and the measures of `sitenet.analysis.range_measures`.
"""

from collections.abc import Sequence
from dataclasses import asdict
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sitenet.analysis.correlation import weighted_rho
from sitenet.analysis.over_trainings import difference
from sitenet.analysis.range_measures import MEASURES

Float = NDArray[np.float64]

COMPARED = ["measure", "task", "other_task", "trainings", "other_trainings", "mean", "other_mean",
            "difference", "low", "high", "p", "larger"]  # fmt: skip
"""Columns of the comparison of tasks."""


def readings(table: pd.DataFrame, seed: int, resamples: int = 2000) -> pd.DataFrame:
    """How well each measure reads the ranges of labels where these are known.

    A row for each measure: measure, trainings, tasks, spearman (of the measure with
    the known range, over trainings) with the limits spearman_low and spearman_high of its 95 %
    interval (bootstrap over the trainings of each task, empty with one training of each), pairs (of
    trainings of labels of different range), false_order (fraction of them that the measure orders
    wrongly; a tie counts one half) and false_neighbours (the same among labels next to each other
    in range).
    """
    known = table[table.known_range.notna()]
    rows = []
    for measure in MEASURES:
        own = known[known[measure.name].notna()]
        truth, value = own.known_range.to_numpy(), own[measure.name].to_numpy(dtype=np.float64)
        low, high = _rank_interval(own.task.to_numpy(), truth, value, seed, resamples)
        pairs, wrong, next_wrong = _orders(truth, value)
        rows.append(
            {
                "measure": measure.name,
                "trainings": len(own),
                "tasks": own.task.nunique(),
                "spearman": _rho(truth, value),
                "spearman_low": low,
                "spearman_high": high,
                "pairs": pairs,
                "false_order": wrong,
                "false_neighbours": next_wrong,
            }
        )
    return pd.DataFrame(rows)


def _rho(x: Float, y: Float) -> float:
    """Spearman's rank correlation; NaN if it is undefined."""
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(weighted_rho(x, y, np.ones((1, len(x)), dtype=np.int64))[0])


def _rank_interval(
    task: NDArray, truth: Float, value: Float, seed: int, resamples: int
) -> tuple[float, float]:
    """Limits of the rank correlation over resamples of the trainings of each task."""
    places = [np.flatnonzero(task == name) for name in np.unique(task)]
    if len(places) < 2 or min(map(len, places)) < 2 or np.isnan(_rho(truth, value)):
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    counts = np.zeros((resamples, len(task)), dtype=np.int64)
    for own in places:
        counts[:, own] = rng.multinomial(len(own), np.full(len(own), 1 / len(own)), resamples)
    low, high = np.nanpercentile(weighted_rho(truth, value, counts), [2.5, 97.5])
    return float(low), float(high)


def _orders(truth: Float, value: Float) -> tuple[int, float, float]:
    """Pairs of different known range, the fraction ordered wrongly, and that among neighbours."""
    levels = {level: k for k, level in enumerate(np.unique(truth))}
    wrong, near = [], []
    for a, b in combinations(range(len(truth)), 2):
        if truth[a] == truth[b]:
            continue
        order = np.sign((truth[a] - truth[b]) * (value[a] - value[b]))
        wrong.append((1 - order) / 2)
        if abs(levels[truth[a]] - levels[truth[b]]) == 1:
            near.append((1 - order) / 2)
    return len(wrong), _mean(wrong), _mean(near)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def compare_by_measures(table: pd.DataFrame) -> pd.DataFrame:
    """Compare every two tasks by every measure, with their trainings as the sample.

    A row for each measure and two tasks: measure, task, other_task, trainings, other_trainings;
    mean and other_mean over trainings; difference with its Welch interval low, high and test p,
    which are empty for single trainings; larger, the fraction of all pairs of one training of each
    task in which the first one's value is larger. Trainings without the measure do not count.
    """
    rows = []
    for measure in MEASURES:
        own = {
            str(task): values[measure.name].dropna().to_numpy(dtype=np.float64)
            for task, values in table.groupby("task", sort=False)
        }
        for (task, first), (other_task, second) in combinations(own.items(), 2):
            if not len(first) or not len(second):
                continue
            found = asdict(difference(first, second))
            rows.append(
                {
                    "measure": measure.name,
                    "task": task,
                    "other_task": other_task,
                    "trainings": len(first),
                    "other_trainings": len(second),
                    "mean": first.mean(),
                    "other_mean": second.mean(),
                    "difference": found.pop("value"),
                    **found,
                }
            )
    return pd.DataFrame(rows, columns=COMPARED)
