"""Which arm, or which stack of arms, predicts best what it was not trained on."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sitenet.few.arms import ALL_ENCODERS, Arm

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Bool = NDArray[np.bool_]

STACK = "stack"

STEEP = 0.15
"""The weight of an arm in a stack falls by a factor of e for each such share of more error."""

LEAST = 0.1
"""Smallest weight, in units of the largest: arms with a third more error are left out."""

BROAD = 200
"""With so many labels an arm on the vectors of all encoders weighs twice what its error tells.

With n labels it is 1 + 200 / n times: such arms are often the best, and errors of few labels tell
little.
"""

CRYSTALS = 30
"""To change the weights by a sum of 1, errors must fall by as much as those of so many crystals.

So 100 labels leave the weights as they are, and 1,000 fit them.
"""

SMALL = 1e-9
"""A weight, or a share of the labels' deviation, that is 0 but for rounding."""

SURE = 3.0
"""By how many standard errors of the difference a single arm must be better than the stack."""


class Choice(NamedTuple):
    """What was chosen among candidates, and why.

    winner: key of an arm, or `STACK`. weights: of candidates by their place; their sum is 1.
    errors: mean absolute error of each arm, of its better form, and of the stack. best: place of
    the better form of each arm. stacked: the weights of the stack, chosen or not. logarithms (c,):
    which candidates learned the logarithm.
    """

    winner: str
    weights: dict[int, float]
    errors: dict[str, float]
    best: dict[str, int]
    stacked: dict[int, float]
    logarithms: Bool

    def predict(self, predictions: Float) -> Float:
        """Of the chosen model (n,) from those of all candidates (c, n)."""
        return self._mean(self.weights, predictions)

    def of(self, name: str, predictions: Float) -> Float:
        """Of an arm or the stack (n,) from those of all candidates (c, n)."""
        return self._mean(self.stacked if name == STACK else {self.best[name]: 1.0}, predictions)

    def _mean(self, weights: dict[int, float], predictions: Float) -> Float:
        places = list(weights)
        return stacked_mean(
            np.array(list(weights.values())), self.logarithms[places], predictions[places]
        )


def stacked_mean(weights: Float, logarithms: Bool, predictions: Float) -> Float:
    """Weighted mean (n,) of predictions (a, n) by arms, of those that learned the logarithm in it.

    A geometric mean, as their predictions are nearer to medians than to means: so is what has the
    least absolute error.

    Args:
        weights: (a,), of sum 1.
        logarithms: (a,), whether the arm learned the logarithm.
        predictions: (a, n); those of such arms are above 0.
    """
    plain, ln = weights[~logarithms], weights[logarithms]
    found = plain @ predictions[~logarithms]
    if len(ln):
        found = found + ln.sum() * np.exp(ln / ln.sum() @ np.log(predictions[logarithms]))
    return np.asarray(found)


def choose(candidates: Sequence[Arm], predictions: Float, label: Float, folds: Int) -> Choice:
    """Choose by the mean absolute error of out-of-fold predictions.

    The stack is a mean of all arms but controls. Its weights fall with the arms' errors, and are
    larger for arms on all encoders if labels are few (`BROAD`); they are changed, to lower the
    error of the stack itself, as far as labels are many. Its own error is that of weights found
    without the fold they are judged on. A single arm is chosen only if its error is lower by more
    than `SURE` standard errors: the lowest of many is partly luck.

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
    broad = np.array([candidates[place].source == ALL_ENCODERS for place in places])
    logarithms = np.array([arm.ln for arm in candidates])
    judged = np.empty(len(label))
    for fold in np.unique(folds):
        inside, outside = folds != fold, folds == fold
        weights = _stacked(predictions[places][:, inside], label[inside], broad)
        judged[outside] = stacked_mean(weights, logarithms[places], predictions[places][:, outside])
    weights = _stacked(predictions[places], label, broad)
    stacked = {int(places[k]): float(weights[k]) for k in np.flatnonzero(weights)}
    found = {**of_arms, STACK: float(np.abs(judged - label).mean())}
    first = int(places[errors[places].argmin()])
    gain = np.abs(judged - label) - np.abs(predictions[first] - label)
    alone = len(stacked) == 1 or gain.mean() > SURE * gain.std() / len(label) ** 0.5
    winner = candidates[first].key if alone else STACK
    return Choice(winner, {first: 1.0} if alone else stacked, found, best, stacked, logarithms)


def _stacked(predictions: Float, label: Float, broad: Bool) -> Float:
    """Weights (a,) of a stack of predictions (a, n) by arms, on all encoders where `broad` (a,)."""
    errors = np.abs(predictions - label).mean(axis=1)
    least = errors.min()
    weights = np.exp((least - errors) / (STEEP * max(least, 1e-300)))
    weights[weights < LEAST] = 0
    weights[broad] *= 1 + BROAD / len(label)
    weights /= weights.sum()
    error = np.abs(weights @ predictions - label).mean()
    if error > SMALL * label.std():
        middle = label.mean()
        weights = _fitted(weights, (predictions - middle) / error, (label - middle) / error)
    return np.asarray(weights / weights.sum())


def _fitted(start: Float, predictions: Float, label: Float) -> Float:
    """Weights (a,) of least sum of absolute errors and `CRYSTALS` times their change from `start`.

    A linear programme: labels and starting weights are what is found and what is over, less what
    is missing. Predictions (a, n) and labels (n,) are in units of the error at the start.
    """
    from scipy.optimize import linprog
    from scipy.sparse import block_array, csr_array, eye_array

    arms, n = predictions.shape
    error, change = eye_array(n), eye_array(arms)
    equations = block_array([
        [csr_array(predictions.T), error, -error, None, None],
        [change, None, None, change, -change],
        [csr_array(np.ones((1, arms))), None, None, None, None],
    ], format="csc")  # fmt: skip
    costs = np.concatenate([np.zeros(arms), np.ones(2 * n), np.full(2 * arms, CRYSTALS)])
    found = linprog(costs, A_eq=equations, b_eq=np.concatenate([label, start, [1.0]]))
    if not found.success:
        return start
    return np.where(found.x[:arms] > SMALL, found.x[:arms], 0.0)
