"""Which measure of the range of a network reads the range of its label, over trainings.

Every measure is one number for each training. Labels of known range are the test: a measure that
reads the range orders the trainings of two labels as their ranges are ordered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sitenet.analysis.correlation import weighted_rho
from sitenet.analysis.distance_ranges import FAR

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Measure:
    """A measure of range: its name in tables and its title, with the unit, in figures."""

    name: str
    title: str


MEASURES = (
    Measure("coefficient", "long-range coefficient (Å)"),
    Measure("coefficient_over_even", "coefficient / even attention"),
    Measure("mean_distance", "mean distance attended (Å)"),
    Measure("far_attention", f"attention beyond {FAR:g} Å"),
    Measure("gradient_distance", "half of |dy/dd| within (Å)"),
    Measure("far_gradient", f"|dy/dd| beyond {FAR:g} Å"),
    Measure("masked_distance", "half of loss by masking (Å)"),
    Measure("cutoff_rise", "rise by a cutoff (%)"),
)
"""All measures, in the order of figures and tables.

coefficient: median over the test crystals of the long-range coefficient (eq 8,
doi:10.1039/d3dd00005b). coefficient_over_even: median of its ratio to that of even attention.
mean_distance, far_attention: means over unique sites and the heads of the last block.
gradient_distance, far_gradient: of the sum of |dy/dd| of a crystal, as fractions, mean over
crystals. masked_distance: up to this distance, masking the attention beyond it at inference raises
the mean absolute error by half of the largest rise or more. cutoff_rise: of the mean absolute error
by training with a cutoff, mean of the cutoffs that were trained.
"""


def measures_of_training(
    long_range: pd.DataFrame, heads: pd.DataFrame, reach: pd.DataFrame
) -> dict[str, float]:
    """All measures of a training but `cutoff_rise`, by name; NaN without test crystals.

    Args:
        long_range: table of `analysis.long_range`, of which the test crystals count.
        heads: table of `analysis.attention.HeadSums`.
        reach: table of `analysis.reach`.
    """
    if reach.empty:
        return {measure.name: float("nan") for measure in MEASURES}
    tested = long_range[long_range.split == "test"]
    last = heads[heads.block == heads.block.max()]
    curves = curves_of_training(reach)
    beyond = curves.set_index("within")
    return {
        "coefficient": float(tested.long_range_coefficient.median()),
        "coefficient_over_even": float(
            (tested.long_range_coefficient / tested.even_coefficient).median()
        ),
        "mean_distance": float(last.mean_distance.mean()),
        "far_attention": float(last.far_share.mean()),
        "gradient_distance": falls_to_half([0.0, *curves.within], [1.0, *(1 - curves.gradient)]),
        "far_gradient": float(1 - beyond.gradient[FAR]),
        "masked_distance": falls_to_half(
            curves.within.tolist(), (curves.masked_error / curves.masked_error.max()).tolist()
        ),
    }


def curves_of_training(reach: pd.DataFrame) -> pd.DataFrame:
    """Means over the crystals of a training by distance, from a table of `analysis.reach`.

    Columns: within (A); attention, even_attention and gradient, as fractions within it;
    masked_error, the rise of the mean absolute error if attention beyond it is masked.
    """
    error = (reach.masked_prediction - reach.target).abs()
    rise = error - (reach.prediction - reach.target).abs()
    columns = ["attention", "even_attention", "gradient", "masked_error"]
    return reach.assign(masked_error=rise).groupby("within")[columns].mean().reset_index()


def falls_to_half(distance: Sequence[float], remaining: Sequence[float]) -> float:
    """The distance from which on `remaining` stays below one half, between its points.

    `remaining` is 1 at its largest. NaN if it is not finite; the last distance if it never stays
    below one half.
    """
    x, y = np.asarray(distance, dtype=np.float64), np.asarray(remaining, dtype=np.float64)
    if not np.isfinite(y).all():
        return float("nan")
    last = int(np.flatnonzero(y >= 0.5)[-1])
    if last == len(x) - 1:
        return float(x[-1])
    part = (y[last] - 0.5) / (y[last] - y[last + 1])
    return float(x[last] + part * (x[last + 1] - x[last]))


def cutoff_rise(error: float, with_cutoff: Mapping[float, float]) -> float:
    """Rise of the error in % by training with a cutoff, mean over cutoffs; NaN without any."""
    if not with_cutoff:
        return float("nan")
    return 100 * (float(np.mean([*with_cutoff.values()])) / error - 1)


def readings(table: pd.DataFrame, seed: int, resamples: int = 2000) -> pd.DataFrame:
    """How well each measure reads the ranges of labels where these are known.

    `table` has a row for each training: task, known_range (A, NaN if unknown) and the measures.
    The result has a row for each measure: measure, trainings, tasks, spearman (of the measure with
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
