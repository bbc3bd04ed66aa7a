"""Rows of the tables that a predictor makes."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from sitenet.crystal.featurise import MergedCrystal
from sitenet.evaluate.conformal import Interval

Row = tuple[Any, ...]


class Prediction(NamedTuple):
    """What is told of a crystal; without a prediction, `problem` is the reason.

    prediction, lower, upper, spread: in `unit`. spread: the standard deviation over the members of
    an ensemble, None for a single model. interval: what lower and upper are. "conformal 90%": from
    the validation residuals of the model. "conformal 90%, by spread": the same, with residuals of
    an ensemble in units of its spread. "spread": the mean plus and minus the spread, where there
    are too few residuals. Empty: there are none. unlike: why the crystal is unlike the training
    set, empty if it is not. note: what was changed when reading it, and whether the model was
    trained on a crystal of this name.
    """

    id: str
    prediction: float | None
    lower: float | None
    upper: float | None
    interval: str
    spread: float | None
    unit: str
    unlike: str
    problem: str
    note: str


class Compute(NamedTuple):
    """Computes the columns of a table for crystals, or the problem of one that has no result.

    The crystals are featurised in all ways that the model needs.

    `empty` are the columns of a crystal without a result; `last`: whether problem and note are the
    last columns, as in predictions; `trained`: names of the crystals that the model was trained on,
    if it tells.
    """

    compute: Callable[[list[tuple[MergedCrystal, ...]]], list[Row | str]]
    empty: Row
    last: bool
    trained: frozenset[str] = frozenset()

    def row(self, name: str, values: Row, problem: str, note: str) -> Row:
        if self.last:
            return (name, *values, problem, note)
        return (name, problem, note, *values)


def plain(value: Any) -> float | None:
    """A number with the digits of float32; None if it is not finite."""
    if value is None or not np.isfinite(value):
        return None
    return float(str(np.float32(value)))


def predicted(
    value: float,
    spread: float | None,
    interval: Interval,
    bounded: bool,
    unit: str,
    unlike: str,
) -> Row:
    """The columns of a `Prediction` between its id and its problem; `bounded`: none below 0."""
    half, kind = interval.half_width(spread)
    lower, upper = (None, None) if half is None else (value - half, value + half)
    if bounded and lower is not None:
        lower = max(lower, 0.0)
    numbers = [plain(x) for x in (value, lower, upper)]
    return (*numbers, kind, plain(spread), unit, unlike)
