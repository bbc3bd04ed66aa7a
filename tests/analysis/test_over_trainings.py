"""Estimates over trainings against scipy, numpy, by hand, and by simulation."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr, ttest_ind

from sitenet.analysis.over_trainings import (
    Estimate,
    difference,
    estimate,
    median_of,
    rho_with,
    weighted_median,
)


def trainings(shifts: list[float], crystals: int = 60, seed: int = 0) -> list[pd.DataFrame]:
    """Crystals with a common part, and a shift of each training."""
    rng = np.random.default_rng(seed)
    x, common = rng.normal(size=(2, crystals))
    return [
        pd.DataFrame(
            {
                "id": [f"c{k}" for k in range(crystals)],
                "x": x,
                "y": x + common + shift + 0.01 * rng.normal(size=crystals),
            }
        )
        for shift in shifts
    ]


def test_weighted_median_is_that_of_the_drawn_values() -> None:
    rng = np.random.default_rng(3)
    for n in (1, 2, 7, 8):
        values = rng.integers(4, size=n).astype(float)
        drawn = rng.integers(n, size=(50, n))
        counts = np.stack([np.bincount(row, minlength=n) for row in drawn])
        assert weighted_median(values, counts).tolist() == np.median(values[drawn], 1).tolist()
    assert np.isnan(weighted_median(np.array([1.0]), np.array([[0]]))).all()


def test_value_is_the_mean_over_trainings() -> None:
    tables = trainings([0.0, 1.0, 5.0])
    rho = np.mean([spearmanr(t.x, t.y).statistic for t in tables])
    assert estimate(tables, rho_with("x", "y"), seed=0).value == pytest.approx(rho, abs=1e-12)
    median = np.mean([t.y.median() for t in tables])
    assert estimate(tables, median_of("y"), seed=0).value == pytest.approx(median, abs=1e-12)


def test_interval_contains_the_spread_of_trainings() -> None:
    """Many crystals of few trainings: the interval is that of the trainings, not 1 / sqrt(n)."""
    close = estimate(trainings([0.0, 0.0, 0.0], 400), median_of("y"), seed=1)
    apart = estimate(trainings([-3.0, 0.0, 3.0], 400), median_of("y"), seed=1)
    assert close.high - close.low < 0.5
    # Means of three draws of -3, 0, 3 lie within +-2 in 25 of 27 cases.
    assert apart.low == pytest.approx(close.value - 2.5, abs=0.7)
    assert apart.high == pytest.approx(close.value + 2.5, abs=0.7)


def test_crystals_of_one_draw_are_common_to_trainings() -> None:
    """Identical trainings bring no new crystals: the interval stays that of one of them."""
    one = estimate(trainings([0.0]), median_of("y"), seed=2)
    table = trainings([0.0])[0]
    four = estimate([table] * 4, median_of("y"), seed=2)
    assert (four.low, four.high) == pytest.approx((one.low, one.high), abs=0.02)
    assert (one.trainings, four.trainings) == (1, 4)


def test_trainings_with_other_crystals() -> None:
    """Folds: each training has crystals of its own, and rows in any order."""
    first, second = trainings([0.0])[0], trainings([1.0], seed=5)[0]
    second["id"] = "d" + second["id"]
    found = estimate([first, second.sample(frac=1, random_state=0)], median_of("y"), seed=0)
    assert found.low < found.value < found.high
    assert found.value == pytest.approx((first.y.median() + second.y.median()) / 2)


def test_coverage() -> None:
    """With ten trainings the 95 % interval contains the truth in nine of ten repetitions."""
    rng = np.random.default_rng(8)
    inside = 0
    for seed in range(60):
        found = estimate(
            trainings(rng.normal(size=10).tolist(), 30, seed), median_of("y"), seed, 300
        )
        inside += found.low < 0 < found.high
    assert 50 <= inside <= 60


def test_same_seed_same_interval() -> None:
    tables = trainings([0.0, 1.0])
    found = [estimate(tables, rho_with("x", "y"), seed) for seed in (4, 4, 5)]
    assert found[0] == found[1] != found[2]


def test_undefined_measures_are_refused() -> None:
    flat = trainings([0.0])[0].assign(y=1.0)
    with pytest.raises(ValueError, match="undefined"):
        estimate([flat], rho_with("x", "y"), seed=0)
    with pytest.raises(ValueError, match="at least one"):
        estimate([], median_of("y"), seed=0)


def test_difference_is_welchs() -> None:
    first, second = np.array([1.0, 1.2, 0.9]), np.array([1.1, 2.0, 1.6, 1.3])
    found = difference(first, second)
    test = ttest_ind(first, second, equal_var=False)
    assert found.value == pytest.approx(first.mean() - second.mean())
    assert found.p == pytest.approx(test.pvalue)
    assert found.low < found.value < found.high
    assert found.larger == pytest.approx(1 / 12)  # 1.2 exceeds 1.1 alone


@pytest.mark.parametrize("second", [[1.0], [1.0, 1.0]])
def test_no_test_without_trainings_that_differ(second: list[float]) -> None:
    found = difference(np.array([2.0, 2.0]), np.array(second))
    assert np.isnan([found.low, found.high, found.p]).all()
    assert (found.value, found.larger) == (1.0, 1.0)
    assert difference(np.array([1.0]), np.array([1.0])).larger == 0.5


def test_one_training_has_an_interval_over_crystals() -> None:
    found = estimate(trainings([0.0]), median_of("y"), seed=0)
    assert isinstance(found, Estimate)
    assert found.low < found.value < found.high
