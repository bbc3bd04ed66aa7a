"""Warnings about labels, and those that are not given."""

import numpy as np
import pytest

from sitenet.splits.label_checks import label_warnings, size_warnings

IDS = np.array([f"c{k}" for k in range(100)], dtype=object)


@pytest.mark.parametrize(
    "labels",
    [
        np.random.default_rng(0).normal(size=100),
        np.random.default_rng(0).exponential(size=100),
        np.where(np.arange(100) < 80, 0.0, np.linspace(1, 4, 100)),  # mostly metals
    ],
)
def test_plain_labels_are_not_warned_of(labels: np.ndarray) -> None:
    assert label_warnings(IDS, labels, "linear") == []


def test_constant_labels() -> None:
    (found,) = label_warnings(IDS, np.full(100, 2.5), "nonnegative")
    assert found == "all 100 labels are 2.5: there is nothing to learn"


def test_the_worst_labels_are_named_first_and_not_all() -> None:
    labels = np.linspace(0, 1, 100)
    labels[10:17] = [100, 900, -300, 200, 400, 500, 600]
    (found,) = label_warnings(IDS, labels, "linear")
    assert "7 of 100 labels are far" in found
    assert "c11 (900), c16 (600), c15 (500), c14 (400), c12 (-300), ..." in found


def test_negative_labels_matter_only_where_none_are_expected() -> None:
    labels = np.linspace(-0.1, 1, 100)
    assert label_warnings(IDS, labels, "linear") == []
    (found,) = label_warnings(IDS, labels, "nonnegative")
    assert found.startswith("9 of 100 labels are negative: c0 (-0.1), c1")


def test_equal_crystals_with_almost_equal_labels_are_not_told() -> None:
    labels = np.linspace(0, 1, 100)
    assert label_warnings(IDS, labels, "linear", [["c3", "c4"], ["c9", "not labelled"]]) == []
    (found,) = label_warnings(IDS, labels, "linear", [["c3", "c4"], ["c9", "c50", "c90"]])
    assert found.startswith("3 crystals look the same")
    assert "c9 (0.09091) and c90 (0.9091)" in found


def test_few_crystals() -> None:
    assert size_warnings(200, 50, None, "grouped") == []
    training, validation = size_warnings(199, 49, None, "grouped")
    assert "only 199 training crystals (fewer than 200)" in training
    assert "only 49 validation crystals (fewer than 50)" in validation
    assert "set split.folds to 5 and give five seeds" in validation
    assert "take the mean over all folds" in size_warnings(300, 40, 5, "grouped")[0]
    (given,) = size_warnings(300, 40, None, "column")
    assert "set split.kind to grouped, split.folds to 5" in given
