"""The choice: stacks, single arms, logarithms, and folds that keep formulas together."""

import numpy as np
import pytest

from sitenet.few.arms import ALL_ENCODERS, Arm, Crystals, with_logarithms
from sitenet.few.choice import CRYSTALS, STACK, STEEP, choose, stacked_mean
from sitenet.few.curves import coverage
from sitenet.few.nested import folds_of, nested

ARMS = [Arm("mean"), Arm("ridge", ("a",)), Arm("ridge", ("a",), ln=True), Arm("gp", ("a",))]


def test_independent_errors_are_averaged() -> None:
    random = np.random.default_rng(0)
    label = random.normal(size=400)
    predictions = label + np.array([[3.0], [1.0], [2.0], [1.0]]) * random.normal(size=(4, 400))
    found = choose(ARMS, predictions, label, np.arange(400) % 5)
    assert found.winner == STACK
    assert found.best == {"mean": 0, "ridge:a": 1, "gp:a": 3}
    assert sum(found.weights.values()) == pytest.approx(1)
    assert found.errors[STACK] < min(found.errors["ridge:a"], found.errors["gp:a"])
    assert found.weights[1] + found.weights[3] > 0.8
    np.testing.assert_allclose(found.predict(predictions), found.of(STACK, predictions))


def test_logarithms_are_averaged_as_logarithms() -> None:
    """2 and 8, half of each, are 4 together; a third arm of the label itself has 10."""
    weights, values = np.array([0.25, 0.5, 0.25]), np.array([[2.0], [10.0], [8.0]])
    found = stacked_mean(weights, np.array([True, False, True]), values)
    np.testing.assert_allclose(found, [0.5 * 10 + 0.5 * 4])
    np.testing.assert_allclose(stacked_mean(weights, np.zeros(3, bool), values), weights @ values)


def stack_of(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[float]]:
    """Two arms of about one error that lean on each other, their labels and weights in a stack."""
    random = np.random.default_rng(0)
    label, noise = random.normal(size=n) + 7, random.normal(size=n)
    predictions = label + np.stack([noise, -0.4 * noise + random.normal(size=n)])
    arms = [Arm("ridge", ("a",)), Arm("gp", ("a",))]
    weights = choose(arms, predictions, label, np.arange(n) % 5).stacked
    errors = np.abs(predictions - label).mean(axis=1)
    start = np.exp(-errors / (STEEP * errors.min()))
    return predictions, label, start / start.sum(), [weights[0], weights[1]]


def test_few_labels_leave_the_weights_of_a_stack() -> None:
    *_, start, weights = stack_of(60)
    np.testing.assert_allclose(weights, start)


@pytest.mark.parametrize(("n", "factor"), [(50, 5), (200, 2), (1000, 1.2)])
def test_arms_on_all_encoders_weigh_more_with_few_labels(n: int, factor: float) -> None:
    """Four arms of one error."""
    random = np.random.default_rng(0)
    label = random.normal(size=n)
    predictions = label + np.tile(random.normal(size=n), (4, 1))
    arms = [*ARMS[1:2], Arm("gp", ("a", "b"), source=ALL_ENCODERS), Arm("trees", ("a",)), ARMS[3]]
    weights = choose(arms, predictions, label, np.arange(n) % 5).stacked
    expected = np.array([1, factor, 1, 1]) / (3 + factor)
    np.testing.assert_allclose([weights[k] for k in range(4)], expected)


def test_many_labels_fit_the_weights_of_a_stack() -> None:
    """The least cost among all pairs of weights, by trying them."""
    predictions, label, start, weights = stack_of(2000)
    first = np.linspace(0, 1, 2001)[:, None]
    tried = np.abs(first * predictions[0] + (1 - first) * predictions[1] - label)
    unit = np.abs(start @ predictions - label).mean()
    cost = tried.sum(axis=1) / unit + CRYSTALS * 2 * np.abs(first[:, 0] - start[0])
    assert weights[0] == pytest.approx(float(first[cost.argmin(), 0]), abs=1e-3)
    assert abs(weights[0] - start[0]) > 0.05
    assert sum(weights) == pytest.approx(1)


def test_an_arm_that_is_clearly_best_is_chosen_alone() -> None:
    random = np.random.default_rng(0)
    label = np.exp(random.normal(size=60))
    predictions = np.stack([label * 0, label * 0 + 9, label, label * 0 - 9])
    found = choose(ARMS, predictions, label, np.arange(60) % 5)
    assert found.winner == "ridge:a"
    assert found.weights == {2: 1.0}  # the form with the logarithm


def test_controls_are_compared_and_not_chosen() -> None:
    random = np.random.default_rng(0)
    label = random.normal(size=200)
    predictions = label + np.array([[3.0], [1.0], [1.1], [0.01]]) * random.normal(size=(4, 200))
    arms = [*ARMS[:3], Arm("gp", ("untrained1",), control=True)]
    found = choose(arms, predictions, label, np.arange(200) % 5)
    assert found.errors["gp:untrained1"] < 0.02
    assert 3 not in found.weights
    assert 3 not in found.stacked
    rest = choose([*arms[:2], arms[3]], predictions[[0, 1, 3]], label, np.arange(200) % 5)
    assert rest.weights[1] > 0.9
    assert 2 not in rest.weights


def test_logarithms_only_of_positive_skewed_labels() -> None:
    skewed = np.exp(np.random.default_rng(0).normal(size=100))
    assert [arm.ln for arm in with_logarithms(ARMS[:2], skewed)] == [False, False, True]
    assert len(with_logarithms(ARMS[:2], skewed - 1)) == 2
    assert len(with_logarithms(ARMS[:2], np.linspace(1, 2, 100))) == 2
    networks = with_logarithms([ARMS[1], Arm("network")], skewed)
    assert [(arm.model, arm.ln) for arm in networks] == [
        ("ridge", False), ("ridge", True), ("network", True),
    ]  # fmt: skip


def test_formulas_stay_together() -> None:
    formulas = np.array([f"A{k // 3}" for k in range(60)], dtype=object)
    folds = folds_of(formulas, [0])
    assert all(len(set(folds[formulas == name])) == 1 for name in formulas)
    assert set(folds) == set(range(5))


def table(seed: int = 0) -> tuple[Crystals, np.ndarray]:
    random = np.random.default_rng(seed)
    columns = random.normal(size=(50, 4))
    formulas = np.array([f"A{k // 2}" for k in range(50)], dtype=object)
    return Crystals({"a": columns}, formulas, np.ones(50, int)), columns[:, 0] * 2 + 5


def test_honest_predictions_do_not_see_the_label() -> None:
    """A changed label changes no prediction of its own crystal, and some of others."""
    crystals, label = table()
    arms = [ARMS[0], ARMS[1]]
    before = nested(arms, crystals, label, seed=0)
    changed = label.copy()
    changed[0] += 100
    after = nested(arms, crystals, changed, seed=0)
    assert after.honest[0] == before.honest[0]
    assert (after.honest[2:] != before.honest[2:]).any()
    assert before.choice.winner == "ridge:a"
    np.testing.assert_allclose(before.honest, label, atol=0.3)


def test_processes_change_no_digit() -> None:
    crystals, label = table()
    one, two = (nested(ARMS, crystals, label, seed=1, workers=k) for k in (1, 2))
    np.testing.assert_array_equal(one.honest, two.honest)


def test_intervals_hold_what_they_promise_and_no_more() -> None:
    random = np.random.default_rng(0)
    label, truth = random.normal(size=300), random.normal(size=3000)
    errors = [random.normal(size=(4, n)) * [[9.0], [1.0], [9.0], [1.1]] for n in (300, 3000)]
    known, asked = label + errors[0], truth + errors[1]
    choice = choose(ARMS, known, label, np.arange(300) % 5)
    assert len(choice.weights) > 1
    assert coverage(choice, known, label, asked, truth) == pytest.approx(0.9, abs=0.03)
    assert coverage(choice, known, label, asked, truth + 9) < 0.01
    alone = choice._replace(weights={1: 1.0})
    assert coverage(alone, known, label, asked, truth) == pytest.approx(0.9, abs=0.03)
