"""Measures of the range of a trained network, each one number for a training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sitenet.analysis.distance_ranges import FAR


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
    long_range: pd.DataFrame, heads: pd.DataFrame, curves: pd.DataFrame
) -> dict[str, float]:
    """All measures of a training but `cutoff_rise`, by name; NaN without test crystals.

    Args:
        long_range: table of `analysis.long_range`, of which the test crystals count.
        heads: table of `analysis.attention.HeadSums`.
        curves: table of `curves_of_training`.
    """
    if curves.empty:
        return {measure.name: float("nan") for measure in MEASURES}
    tested = long_range[long_range.split == "test"]
    last = heads[heads.block == heads.block.max()]
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
