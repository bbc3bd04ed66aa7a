"""The small network beside the class of scikit-learn that it does the steps of."""

import warnings

import numpy as np
import pytest
from sklearn.neural_network import MLPRegressor

from sitenet.evaluate.small_network import SmallNetwork


@pytest.mark.parametrize(("count", "columns"), [(30, 7), (230, 12)])
@pytest.mark.parametrize("max_iter", [25, 3000])
def test_steps_are_those_of_scikit_learn(count: int, columns: int, max_iter: int) -> None:
    """230 rows are two batches of different size; with 3,000 epochs the loss ends the training."""
    random = np.random.default_rng(count)
    rows, others = random.normal(size=(2, count, columns))
    label = np.sin(rows[:, 0]) + rows[:, 1] * rows[:, 2]
    theirs = MLPRegressor(hidden_layer_sizes=(9,), max_iter=max_iter, random_state=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the last epoch
        theirs.fit(rows, label)
    ours = SmallNetwork(width=9, max_iter=max_iter, seed=3).fit(rows, label)
    assert ours.n_iter_ == theirs.n_iter_
    assert (ours.n_iter_ < max_iter) == (max_iter == 3000)
    assert ours.predict(others) == pytest.approx(theirs.predict(others), rel=0, abs=1e-9)


def test_a_fit_forgets_the_one_before() -> None:
    rows = np.random.default_rng(0).normal(size=(20, 3))
    network = SmallNetwork(width=4, max_iter=50, seed=1)
    first = network.fit(rows, rows[:, 0]).predict(rows)
    network.fit(rows, rows[:, 1])
    assert network.fit(rows, rows[:, 0]).predict(rows).tolist() == first.tolist()
