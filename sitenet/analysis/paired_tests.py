"""Paired tests of whether one arm of an experiment is better than another.

All arms use the same label masks, so that errors are compared in pairs: by the signed-rank test of
F. Wilcoxon (Biometrics Bull. 1, 80, 1945), with the step-down correction of S. Holm (Scand. J.
Stat. 6, 65, 1979) for multiple comparisons.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

Float = NDArray[np.float64]


def compare(
    table: pd.DataFrame,
    *,
    by: Sequence[str],
    arm: str,
    control: str,
    pairs: str,
    value: str,
) -> pd.DataFrame:
    """Median and quartiles of every arm, and a test of its difference from the control.

    Args:
        table: one row for each measurement.
        by: columns that define separate groups, such as the number of labels.
        arm: column of the arms.
        control: arm to which the others of each group are compared.
        pairs: column that pairs measurements of different arms, such as the seed.
        value: column of the measurement.

    Returns:
        A row for each group and arm, in their order in `table`: the columns `by`, `arm`, then

        n                  measurements
        median, q1, q3     of `value` (quartiles by linear interpolation)
        median_difference  median over the pairs of value - control's value; 0 for the control
        lower              fraction of the pairs with a value below the control's
        p                  two-sided Wilcoxon signed-rank test, NaN for the control
        p_holm             the same, corrected for all comparisons of `table`

    Raises:
        ValueError: a group has no control, or its arms do not each have every pair once.
    """
    rows = []
    for keys, group in table.groupby(list(by), sort=False):
        values = _by_pair(group, arm, pairs, value, dict(zip(by, keys, strict=True)))
        if control not in values:
            found = ", ".join(map(str, values.columns))
            raise ValueError(f"there is no control {control} in {keys}; arms: {found}")
        reference = values[control].to_numpy()
        for name in values:
            row = _row(values[name].to_numpy(), None if name == control else reference)
            rows.append({**dict(zip(by, keys, strict=True)), arm: name, **row})
    result = pd.DataFrame(rows)
    result["p_holm"] = holm(result.p)
    return result


def signed_rank(difference: ArrayLike) -> float:
    """Two-sided p-value of the signed-rank test for differences (n,); zeros are discarded.

    Exact for up to 50 differences without ties, otherwise by normal approximation; 1 if all
    differences are zero.
    """
    from scipy.stats import wilcoxon  # imported on use: takes most of a second

    values = np.asarray(difference, dtype=np.float64)
    return float(wilcoxon(values).pvalue) if values.any() else 1.0


def holm(p: ArrayLike) -> Float:
    """p-values (n,) corrected for n comparisons; NaN stays NaN and is not counted."""
    p = np.asarray(p, dtype=np.float64)
    corrected = np.full(p.shape, np.nan)
    order = np.argsort(p)[: np.count_nonzero(~np.isnan(p))]  # NaN is sorted last
    stepped = p[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return corrected


def _by_pair(
    group: pd.DataFrame, arm: str, pairs: str, value: str, where: dict[str, object]
) -> pd.DataFrame:
    """Values as a table with a row for each pair and a column for each arm."""
    if group.duplicated([arm, pairs]).any():
        raise ValueError(f"{where}: an arm has several values of one {pairs}")
    values = group.pivot(index=pairs, columns=arm, values=value)[group[arm].unique()]
    if values.isna().to_numpy().any():
        raise ValueError(f"{where}: the arms do not have a value of every {pairs}")
    return values


def _row(values: Float, reference: Float | None) -> dict[str, float]:
    """Statistics of one arm's values (n,) relative to the control's (None: it is the control)."""
    low, median, high = np.percentile(values, [25, 50, 75])
    difference = np.zeros_like(values) if reference is None else values - reference
    return {
        "n": len(values),
        "median": median,
        "q1": low,
        "q3": high,
        "median_difference": float(np.median(difference)),
        "lower": float(np.mean(difference < 0)),
        "p": np.nan if reference is None else signed_rank(difference),
    }
