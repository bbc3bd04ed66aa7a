"""Tests of encoders on made-up errors."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student

from sitenet.analysis.encoder_tests import ALL, DESCRIPTORS, TRAINED, UNTRAINED, compared, summary

FACTORS = (0.8, 0.9, 0.85)
"""Error of each trained encoder over that of its control."""


@pytest.fixture
def errors() -> pd.DataFrame:
    """Three encoders, two tasks; descriptors of error 3 (ridge) and 2 (trees)."""
    rows = [
        {"task": task, "kind": "k", "encoder": number, "state": state, "representation": "Z",
         "model": "ridge", "labels": labels, "mask": mask,
         "test_mae": scale * (1 + number) * (1 if state == UNTRAINED else FACTORS[number])
         * (1, 1, 50)[mask]}
        for (task, scale), number, state, labels, mask in product(
            (("gap", 1.0), ("energy", 100.0)), range(3), (TRAINED, UNTRAINED), (50, 100), range(3))
    ]  # fmt: skip
    rows += [
        {"task": task, "kind": "", "encoder": 0, "state": DESCRIPTORS,
         "representation": "composition", "model": model, "labels": labels, "mask": 0,
         "test_mae": error * scale}
        for (task, scale), (model, error), labels in product(
            (("gap", 1.0), ("energy", 100.0)), (("ridge", 3.0), ("trees", 2.0)), (50, 100))
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_an_encoder_is_compared_with_that_of_its_own_seed(errors: pd.DataFrame) -> None:
    found = compared(errors).query("against == 'untrained'").set_index(["task", "labels"])
    logs = np.log(FACTORS)
    half = student.ppf(0.975, 2) * logs.std(ddof=1) / np.sqrt(3)
    for place in (("gap", 50), ("energy", 100), (ALL, 50)):
        row = found.loc[place]
        assert row.percent == pytest.approx(100 * np.expm1(logs.mean()))
        assert row.low == pytest.approx(100 * np.expm1(logs.mean() - half))
        assert row.high == pytest.approx(100 * np.expm1(logs.mean() + half))
        assert row.better == row.trainings == 3
    assert found.loc[("gap", 50), "error"] == pytest.approx(1.8)
    assert found.loc[("gap", 50), "control"] == pytest.approx(2.0)
    assert len(found) == 6
    assert found.p_holm.min() == pytest.approx(6 * found.p.min())


def test_the_best_model_on_descriptors_is_the_other_control(errors: pd.DataFrame) -> None:
    found = compared(errors).query("against == 'descriptors'").set_index(["task", "labels"])
    assert set(found.control.dropna()) == {2.0, 200.0}
    ratios = np.log(np.array(FACTORS) * [1, 2, 3] / 2)
    assert found.loc[("energy", 50), "percent"] == pytest.approx(100 * np.expm1(ratios.mean()))
    assert found.loc[("energy", 50), "better"] == 2


def test_a_single_training_is_no_sample(errors: pd.DataFrame) -> None:
    found = compared(errors[errors.encoder == 0])
    assert found.p.isna().all()
    assert found.percent.notna().all()


def test_the_summary_is_over_trainings_of_medians_over_draws(errors: pd.DataFrame) -> None:
    found = summary(errors).set_index(["kind", "task", "state", "labels", "model"])
    row = found.loc[("k", "gap", UNTRAINED, 50, "ridge")]
    assert (row.lowest, row["median"], row.highest, row.trainings) == (1.0, 2.0, 3.0, 3)
    assert found.loc[("", "gap", DESCRIPTORS, 50, "trees")]["median"] == 2.0
