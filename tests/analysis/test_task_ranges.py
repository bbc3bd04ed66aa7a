"""Range of tasks over several trainings, by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_ind

from sitenet.analysis.task_ranges import compare_tasks, correlations, lines

CRYSTALS = 30


def points(
    task: str, medians: list[float], ids: list[str] | None = None, dataset: str = "salts"
) -> pd.DataFrame:
    """Trainings whose coefficients rise with the complexity, around a median each."""
    names = ids or [f"c{k}" for k in range(CRYSTALS)]
    steps = np.arange(len(names), dtype=float)
    steps -= np.median(steps)
    return pd.concat(
        pd.DataFrame(
            {
                "task": task,
                "dataset": dataset,
                "seed": seed,
                "id": names,
                "long_range_coefficient": median + 0.01 * steps,
                "even_coefficient": 0.5 + 0.001 * steps,
                "i_conf": 1 + steps / 100,
            }
        )
        for seed, median in enumerate(medians)
    )


def test_rows_are_all_trainings_and_each() -> None:
    table = correlations("gap", points("gap", [1.0, 1.2, 2.0]), "i_conf", seed=0)
    assert table.seed.tolist() == ["all", "0", "1", "2"]
    assert table.trainings.tolist() == [3, 1, 1, 1]
    assert table.crystals.tolist() == [CRYSTALS] * 4
    assert table["median"].tolist() == pytest.approx([1.4, 1.0, 1.2, 2.0])
    assert table.spearman.tolist() == pytest.approx([1] * 4)
    assert table.slope.tolist() == pytest.approx([1] * 4)
    assert table.above_even.tolist() == pytest.approx([1] * 4)
    width = (table.median_high - table.median_low).tolist()
    assert width[0] > 3 * max(width[1:])  # trainings differ more than crystals tell


def test_lines_of_each_training() -> None:
    found = lines(points("gap", [1.0, 1.5]), "i_conf")
    assert [line.slope for line in found] == pytest.approx([1, 1])
    assert found[1].intercept - found[0].intercept == pytest.approx(0.5)


def test_undefined_correlations_are_empty() -> None:
    alike = points("gap", [1.0]).assign(i_conf=2.0)
    row = correlations("gap", alike, "i_conf", seed=0).iloc[0]
    assert np.isnan([row.spearman, row.spearman_low, row.slope]).all()
    assert row["median"] == pytest.approx(1.0)


def test_tasks_are_compared_over_trainings() -> None:
    far, near = points("far", [1.0, 1.4, 1.3]), points("near", [1.1, 0.9])
    row = compare_tasks([far, near]).iloc[0]
    test = ttest_ind([1.0, 1.4, 1.3], [1.1, 0.9], equal_var=False)
    assert row.difference == pytest.approx(3.7 / 3 - 1.0)
    assert row.p == pytest.approx(test.pvalue)
    assert row["larger"] == pytest.approx(5 / 6)
    assert row.crystals_larger == 1
    assert (row.trainings, row.other_trainings, row.crystals) == (3, 2, CRYSTALS)


def test_one_training_is_no_test() -> None:
    """Thirty crystals of one training differ without exception: still no statement on tasks."""
    row = compare_tasks([points("far", [2.0]), points("near", [1.0])]).iloc[0]
    assert np.isnan([row.p, row.low, row.high]).all()
    assert (row.difference, row.crystals_larger) == (pytest.approx(1.0), 1)


def test_common_crystals_are_those_of_one_data_set() -> None:
    names = [f"c{k}" for k in range(10, 40)]
    far, near = points("far", [1.0, 2.0]), points("near", [1.0, 3.0], names)
    elsewhere = points("elsewhere", [1.0, 2.0], dataset="other")
    table = compare_tasks([far, near, elsewhere])
    assert len(table) == 1  # the third has the same names in another data set
    assert table.crystals.item() == 20
    common = [1.0 + 0.01 * 5, 2.0 + 0.01 * 5]  # far: the upper twenty of thirty
    assert table["median"].item() == pytest.approx(np.mean(common))
