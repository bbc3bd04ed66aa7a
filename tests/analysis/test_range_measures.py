"""Measures of range: by hand on curves that are known."""

import numpy as np
import pandas as pd
import pytest

from sitenet.analysis.range_measures import (
    curves_of_training,
    cutoff_rise,
    falls_to_half,
    measures_of_training,
)


def test_where_a_curve_stays_below_one_half() -> None:
    assert falls_to_half([0, 1, 2, 3], [1.0, 0.8, 0.4, 0.0]) == pytest.approx(1.75)
    assert falls_to_half([0, 1, 2, 3], [1.0, 0.2, 0.9, 0.1]) == pytest.approx(2.5)
    assert falls_to_half([0, 1], [1.0, 0.7]) == 1
    assert np.isnan(falls_to_half([0, 1], [1.0, np.nan]))


def test_rise_by_cutoffs() -> None:
    assert cutoff_rise(2.0, {3.5: 3.0, 5.0: 2.0}) == pytest.approx(25)
    assert np.isnan(cutoff_rise(2.0, {}))


def _reach() -> pd.DataFrame:
    """Two crystals; masking beyond 2 A costs 4 on average, beyond 5 A 2, beyond 8 A nothing."""
    rows = [
        ("a", 0.0, 1.0, within, share, share / 2, share, masked)
        for within, share, masked in ((2.0, 0.25, -4.0), (5.0, 0.75, 4.0), (8.0, 1.0, 1.0))
    ] + [
        ("b", 2.0, 2.0, within, share, share / 2, share, masked)
        for within, share, masked in ((2.0, 0.25, 7.0), (5.0, 0.75, 3.0), (8.0, 1.0, 2.0))
    ]
    names = ["id", "target", "prediction", "within", "attention", "even_attention", "gradient",
             "masked_prediction"]  # fmt: skip
    return pd.DataFrame(rows, columns=names)


def test_curves_are_means_over_crystals() -> None:
    curves = curves_of_training(_reach())
    assert curves.within.tolist() == [2, 5, 8]
    assert curves.gradient.tolist() == [0.25, 0.75, 1]
    assert curves.even_attention.tolist() == [0.125, 0.375, 0.5]
    assert curves.masked_error.tolist() == [4, 2, 0]


def test_measures_of_a_training() -> None:
    long_range = pd.DataFrame(
        {
            "split": ["test", "test", "test", "train"],
            "long_range_coefficient": [1.0, 2.0, 6.0, 99.0],
            "even_coefficient": [0.5, 0.5, 2.0, 1.0],
        }
    )
    heads = pd.DataFrame(
        {
            "block": [1, 2, 2, 0],
            "mean_distance": [9.0, 4.0, 5.0, 7.0],
            "far_share": [0.9, 0.2, 0.4, 0.5],
        }
    )
    found = measures_of_training(long_range, heads, curves_of_training(_reach()))
    assert found == pytest.approx(
        {
            "coefficient": 2.0,
            "coefficient_over_even": 3.0,
            "mean_distance": 4.5,
            "far_attention": 0.3,
            "gradient_distance": 3.5,
            "far_gradient": 0.25,
            "masked_distance": 5.0,
        }
    )
