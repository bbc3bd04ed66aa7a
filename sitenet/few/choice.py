"""Which arm, or which stack of arms, predicts best what it was not trained on."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sitenet.few.arms import Arm

Float = NDArray[np.float64]
Int = NDArray[np.int64]

STACK = "stack"

STEEP = 0.15
"""The weight of an arm in a stack falls by a factor of e for each such share of more error."""

LEAST = 0.1
"""Smallest weight, in units of the largest: arms with a third more error are left out."""

SURE = 3.0
"""By how many standard errors of the difference a single arm must be better than the stack."""


class Choice(NamedTuple):
    """What was chosen among candidates, and why.

    winner: key of an arm, or `STACK`. weights: of candidates by their place; their sum is 1.
    errors: mean absolute error of each arm, of its better form, and of the stack. best: place of
    the better form of each arm. stacked: the weights of the stack, chosen or not.
    """

    winner: str
    weights: dict[int, float]
    errors: dict[str, float]
    best: dict[str, int]
    stacked: dict[int, float]

    def predict(self, predictions: Float) -> Float:
        """Of the chosen model (n,) from those of all candidates (c, n)."""
        return weighted(self.weights, predictions)

    def of(self, name: str, predictions: Float) -> Float:
        """Of an arm or the stack (n,) from those of all candidates (c, n)."""
        return weighted(self.stacked if name == STACK else {self.best[name]: 1.0}, predictions)


def weighted(weights: dict[int, float], predictions: Float) -> Float:
    """Weighted sum (n,) of predictions (c, n)."""
    return np.asarray(sum(weight * predictions[k] for k, weight in weights.items()))


def choose(candidates: Sequence[Arm], predictions: Float, label: Float, folds: Int) -> Choice:
    """Choose by the mean absolute error of out-of-fold predictions.

    The stack is a mean of all arms but controls, with weights that fall with their errors: with few
    labels it is better than weights that are fitted, and than the mean of the best few. Its own
    error is that of weights found without the fold they are judged on. A single arm is chosen only
    if its error is lower by more than `SURE` standard errors: the lowest of many is partly luck.

    Args:
        candidates: (c,) arms with and without the logarithm.
        predictions: (c, n), each of a model that was not trained on the crystal.
        label: (n,).
        folds: (n,) part of each crystal.
    """
    errors = np.abs(predictions - label).mean(axis=1)
    best: dict[str, int] = {}
    for place, arm in enumerate(candidates):
        if arm.key not in best or errors[place] < errors[best[arm.key]]:
            best[arm.key] = place
    of_arms = {key: float(errors[place]) for key, place in best.items()}
    places = np.array([place for place in best.values() if not candidates[place].control])
    judged = np.empty(len(label))
    for fold in np.unique(folds):
        inside, outside = folds != fold, folds == fold
        weights = _stacked(predictions[places][:, inside], label[inside])
        judged[outside] = weights @ predictions[places][:, outside]
    weights = _stacked(predictions[places], label)
    stacked = {int(places[k]): float(weights[k]) for k in np.flatnonzero(weights)}
    found = {**of_arms, STACK: float(np.abs(judged - label).mean())}
    first = int(places[errors[places].argmin()])
    gain = np.abs(judged - label) - np.abs(predictions[first] - label)
    alone = len(stacked) == 1 or gain.mean() > SURE * gain.std() / len(label) ** 0.5
    winner = candidates[first].key if alone else STACK
    return Choice(winner, {first: 1.0} if alone else stacked, found, best, stacked)


def _stacked(predictions: Float, label: Float) -> Float:
    """Weights (a,) of a stack of predictions (a, n)."""
    errors = np.abs(predictions - label).mean(axis=1)
    least = errors.min()
    weights = np.exp((least - errors) / (STEEP * max(least, 1e-300)))
    weights[weights < LEAST] = 0
    return np.asarray(weights / weights.sum())
