"""Whether trained encoders beat untrained ones, and descriptors, with trainings as the sample.

Draws of labels and test crystals are many, trainings few, and another training is what a user
gets. So the error of a training is its median over the draws, and a t test over the trainings of a
kind, which differ in their seed, compares it with that of the untrained encoder of the same seed,
and with that of the best model on descriptors. Logarithms of ratios are tested, as errors of
labels in different units and of different sizes are then alike.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from sitenet.analysis.over_trainings import paired_difference
from sitenet.analysis.paired_tests import holm

TRAINED, UNTRAINED, DESCRIPTORS = "trained", "untrained", "descriptors"
"""States of what vectors come from; descriptors are what no encoder has learned."""

ALL = "all tasks"

PLACE = ["kind", "representation", "model"]
"""Columns of what is tested."""

MEASURED = ["task", *PLACE, "state", "labels"]


def of_trainings(errors: pd.DataFrame) -> pd.DataFrame:
    """The median over the draws of labels for each training.

    `errors` has the columns `MEASURED`, encoder (its number among its kind), mask and test_mae.
    Models on descriptors have an empty `kind`.
    """
    by = [*MEASURED, "encoder"]
    return errors.groupby(by, sort=False).test_mae.median().reset_index()


def summary(errors: pd.DataFrame) -> pd.DataFrame:
    """Columns `MEASURED`, trainings, and the median, lowest and highest error over them."""
    groups = of_trainings(errors).groupby(MEASURED, sort=False).test_mae
    found = groups.agg(trainings="count", median="median", lowest="min", highest="max")
    return found.reset_index()


def compared(errors: pd.DataFrame) -> pd.DataFrame:
    """Tests of every kind of encoder, representation and model.

    Columns: kind, representation, model, task, labels, against (`untrained`: the encoder of the
    same seed; `descriptors`: the model on them with the lowest median error), trainings, error and
    control (medians over trainings), percent (mean change of the error; low, high: its 95 %
    interval), p, p_holm (corrected for all tests of the same kind, representation, model and
    control), better (trainings with a lower error). Of all tasks together, a change is the mean
    over tasks of that of each training, and there is no error.
    """
    found = of_trainings(errors)
    rows = []
    for place, group in found[found.kind != ""].groupby(PLACE, sort=False):
        for against in (UNTRAINED, DESCRIPTORS):
            own = [{**dict(zip(PLACE, place, strict=True)), **row, "against": against}
                   for row in _tested(group, _controls(found, group, against))]  # fmt: skip
            corrected = holm([row["p"] for row in own])
            rows += [{**row, "p_holm": p} for row, p in zip(own, corrected, strict=True)]
    columns = [*PLACE, "task", "labels", "against", "trainings", "error", "control", "percent",
               "low", "high", "p", "p_holm", "better"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def _controls(found: pd.DataFrame, group: pd.DataFrame, against: str) -> pd.Series:
    """Error of the control by task, labels and number of the training."""
    by = ["task", "labels", "encoder"]
    if against == UNTRAINED:
        return group[group.state == UNTRAINED].set_index(by).test_mae
    best = found[found.kind == ""].groupby(["task", "labels"]).test_mae.min()
    wanted = group[group.state == TRAINED]
    places = pd.MultiIndex.from_frame(wanted[by])
    return pd.Series(best.loc[places.droplevel("encoder")].to_numpy(), index=places)


def _tested(group: pd.DataFrame, control: pd.Series) -> Iterator[dict[str, Any]]:
    """A test for each task and number of labels, and for all tasks together."""
    by = ["task", "labels", "encoder"]
    own = group[group.state == TRAINED].set_index(by).test_mae.sort_index()
    if not len(own) or not len(control):
        return
    against = control[own.index]
    ratios = (own / against).map(np.log).unstack("encoder")
    errors = (values.unstack("encoder").median(axis=1) for values in (own, against))
    for (task, labels), values, error, one in zip(
        ratios.index, ratios.to_numpy(), *errors, strict=True
    ):
        yield {"task": task, "labels": labels, "error": error, "control": one, **_change(values)}
    if ratios.index.get_level_values("task").nunique() > 1:
        together = ratios.groupby("labels").mean()
        for labels, values in zip(together.index, together.to_numpy(), strict=True):
            yield {"task": ALL, "labels": labels, **_change(values)}


def _change(ratios: np.ndarray) -> dict[str, Any]:
    """The test of logarithms (S,) of ratios, in percent."""
    found = paired_difference(ratios)
    percent = {name: 100 * np.expm1(value) for name, value in
               (("percent", found.value), ("low", found.low), ("high", found.high))}  # fmt: skip
    return {**percent, "trainings": len(ratios), "p": found.p, "better": int((ratios < 0).sum())}
