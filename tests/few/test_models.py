"""Models as arrays give what scikit-learn's own objects give."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesRegressor, GradientBoostingRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern
from sklearn.linear_model import RidgeCV

from sitenet.few import linear, trees

Rows = tuple[NDArray, NDArray, NDArray]


@pytest.fixture
def rows() -> Rows:
    """Columns of 60 rows and of 40 others, and a label."""
    random = np.random.default_rng(0)
    table, asked = random.normal(size=(60, 5)), random.normal(size=(40, 5))
    label = 3 * table[:, 0] + np.sin(2 * table[:, 1]) + 0.1 * random.normal(size=60)
    return table, asked, label


def test_extra_trees(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "TREES", 20)
    table, asked, label = rows
    own = trees.predict_trees(trees.extra_trees(table, label, 3), asked)
    theirs = ExtraTreesRegressor(20, max_features=1 / 3, random_state=3).fit(table, label)
    np.testing.assert_allclose(own, theirs.predict(asked), rtol=0, atol=1e-12)


def test_boosted_trees(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "ROUNDS", 30)
    table, asked, label = rows
    own = trees.predict_trees(trees.boosted_trees(table, label, 3), asked)
    theirs = GradientBoostingRegressor(
        n_estimators=30, learning_rate=trees.RATE, max_depth=trees.DEPTH, min_samples_leaf=2,
        subsample=0.7, max_features=0.15, random_state=3,
    ).fit(table, label)  # fmt: skip
    np.testing.assert_allclose(own, theirs.predict(asked), rtol=0, atol=1e-12)


def test_damaged_trees_are_noticed(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "TREES", 2)
    table, _, label = rows
    grown = trees.extra_trees(table, label, 0)
    trees.check_trees(grown, 5)
    circle = grown["child"].copy()
    circle[0] = 0
    for broken, columns in (({**grown, "child": circle}, 5), (grown, 2),
                            ({**grown, "value": grown["value"][1:]}, 5)):  # fmt: skip
        with pytest.raises(ValueError, match="no trees"):
            trees.check_trees(broken, columns)


def test_ridge(rows: Rows) -> None:
    table, asked, label = rows
    arrays = linear.ridge(table, label)
    mean, deviation = table.mean(axis=0), table.std(axis=0)
    scaled = [np.clip((one - mean) / deviation, -4, 4) for one in (table, asked)]
    theirs = RidgeCV(linear.PENALTIES).fit(scaled[0], label).predict(scaled[1])
    np.testing.assert_allclose(linear.predict_ridge(arrays, asked), theirs, rtol=1e-10)


def test_constant_columns_have_no_effect(rows: Rows) -> None:
    table, asked, label = rows
    more = np.hstack([table, np.full((60, 1), 7.0)])
    other = np.hstack([asked, np.full((40, 1), -5.0)])
    np.testing.assert_allclose(
        linear.predict_ridge(linear.ridge(more, label), other),
        linear.predict_ridge(linear.ridge(table, label), asked),
    )


def test_a_process_with_one_group_is_that_of_scikit_learn(rows: Rows) -> None:
    table, asked, label = rows
    arrays = linear.gaussian_process(table, label, [5], 0)
    amplitude, width, noise = np.exp(arrays["parameters"])
    kernel = ConstantKernel(amplitude**2) * Matern(width, nu=1.5)
    mean, deviation = table.mean(axis=0), table.std(axis=0)
    scaled = [np.clip((one - mean) / deviation, -4, 4) / 5**0.5 for one in (table, asked)]
    target = (label - label.mean()) / label.std()
    theirs = GaussianProcessRegressor(kernel, alpha=noise, optimizer=None).fit(scaled[0], target)
    own = linear.predict_process(arrays, asked)
    np.testing.assert_allclose(
        own, theirs.predict(scaled[1]) * label.std() + label.mean(), rtol=1e-8
    )


def test_the_gradient_of_the_likelihood_is_that_of_differences() -> None:
    random = np.random.default_rng(1)
    table, target = random.normal(size=(30, 4)), random.normal(size=30)
    distances = [linear._distances(part, part) for part in (table[:, :1], table[:, 1:])]
    prior, parameters = np.zeros(5), np.array([0.3, 0.5, -0.4, 1.2, -1.0])

    def loss(shift: NDArray) -> float:
        return linear._loss(parameters + shift, prior, distances, target)[0]

    gradient = linear._loss(parameters, prior, distances, target)[1]
    steps = 1e-5 * np.eye(5)
    differences = [(loss(step) - loss(-step)) / 2e-5 for step in steps]
    np.testing.assert_allclose(gradient, differences, rtol=1e-6)


def test_the_noise_and_the_group_that_matters_are_found(rows: Rows) -> None:
    table, asked, label = rows
    own = linear.predict_process(linear.gaussian_process(table, label, [2, 5], 0), asked)
    truth = 3 * asked[:, 0] + np.sin(2 * asked[:, 1])
    assert np.abs(own - truth).mean() < 0.35 * np.abs(truth - label.mean()).mean()
