"""Conformal intervals: what a new residual does not exceed with a given probability."""

from math import ceil
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


def conformal(sizes: NDArray, level: float) -> float | None:
    """The value that one more of such numbers (n,) exceeds with a probability of 1 - `level`.

    It does if all are drawn alike (split conformal prediction): the ceil(level (n + 1))-th
    smallest. None if there are too few for that.
    """
    place = ceil(round(level * (len(sizes) + 1), 9))
    return float(np.sort(sizes)[place - 1]) if place <= len(sizes) else None


class Interval(NamedTuple):
    """Half widths of conformal intervals: `factor`, or with a `floor` factor (spread + floor).

    Residuals are taken in units of spread + floor then, and intervals are wider where members
    disagree. `name` tells the kind; factor is None where there are too few residuals.
    """

    name: str
    factor: float | None
    floor: float | None

    def half_width(self, spread: float | None) -> tuple[float | None, str]:
        """Half the width for a crystal, and what it is: `spread` where there is no factor."""
        if self.factor is None:
            return spread, "spread" if spread is not None else ""
        if self.floor is None or spread is None:
            return self.factor, self.name
        return self.factor * (spread + self.floor), self.name


def interval(
    level: float, residuals: NDArray[np.float64], spread: NDArray[np.float64] | None
) -> Interval:
    """Half widths of intervals of this level, from residuals (v,) and the spread (v,) beside them.

    Raises ValueError for an impossible level.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, not {level:g}")
    name = f"conformal {100 * level:g}%"
    if spread is None or not (floor := float(np.median(spread))):
        factor = conformal(np.abs(residuals), level)
        return Interval(name if factor is not None else "", factor, None)
    factor = conformal(np.abs(residuals) / (spread + floor), level)
    return Interval(f"{name}, by spread" if factor is not None else "", factor, floor)
