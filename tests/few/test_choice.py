"""The choice: stacks, single arms, logarithms, and folds that keep formulas together."""

import numpy as np
import pytest

from sitenet.few.arms import Arm, Crystals, with_logarithms
from sitenet.few.choice import STACK, choose
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


def test_an_arm_that_is_clearly_best_is_chosen_alone() -> None:
    random = np.random.default_rng(0)
    label = random.normal(size=60)
    predictions = np.stack([label * 0, label * 0 + 9, label + 1e-3, label * 0 - 9])
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
    alone = choose([*arms[:2], arms[3]], predictions[[0, 1, 3]], label, np.arange(200) % 5)
    assert alone.weights == {1: 1.0}


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
