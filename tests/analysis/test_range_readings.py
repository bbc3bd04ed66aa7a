"""Readings of known ranges, and comparisons of tasks, by hand."""

import numpy as np
import pandas as pd
import pytest

from sitenet.analysis.range_measures import MEASURES
from sitenet.analysis.range_readings import COMPARED, compare_by_measures, readings


def _trainings(values: dict[str, tuple[float, list[float]]]) -> pd.DataFrame:
    rows = [
        {"task": task, "known_range": known} | {measure.name: value for measure in MEASURES}
        for task, (known, own) in values.items()
        for value in own
    ]
    return pd.DataFrame(rows)


def test_reading_of_known_ranges() -> None:
    perfect = readings(_trainings({"a": (3, [1, 2]), "b": (6, [3, 4]), "?": (np.nan, [9])}), 0)
    assert perfect.measure.tolist() == [measure.name for measure in MEASURES]
    first = perfect.iloc[0]
    assert (first.trainings, first.tasks, first.pairs) == (4, 2, 4)
    assert first.false_order == first.false_neighbours == 0
    assert first.spearman == pytest.approx(2 / np.sqrt(5))  # ranks 1.5, 1.5, 3.5, 3.5 and 1 to 4
    assert first.spearman_low == pytest.approx(first.spearman)  # or 1 where a draw has ties
    assert first.spearman_high == pytest.approx(1)

    mixed = _trainings({"a": (3, [1, 4]), "b": (6, [2, 4]), "c": (9, [3, 5])})
    found = readings(mixed, 0).iloc[0]
    # Wrong: (a4, b2), (a4, c3), (b4, c3); tied: (a4, b4).
    assert found.pairs == 12
    assert found.false_order == pytest.approx(3.5 / 12)
    assert found.false_neighbours == pytest.approx(2.5 / 8)
    assert found.spearman_low < found.spearman < found.spearman_high


def test_nothing_to_read() -> None:
    single = readings(_trainings({"a": (3, [1]), "b": (6, [2])}), 0).iloc[0]
    assert single.spearman == pytest.approx(1)
    assert np.isnan(single.spearman_low)
    unknown = readings(_trainings({"a": (np.nan, [1, 2])}), 0).iloc[0]
    assert unknown.trainings == unknown.pairs == 0
    assert np.isnan(unknown.false_order)
    missing = _trainings({"a": (3, [1, 2]), "b": (6, [3, 4])}).assign(cutoff_rise=np.nan)
    assert readings(missing, 0).set_index("measure").trainings["cutoff_rise"] == 0


def test_tasks_are_compared_over_trainings() -> None:
    table = _trainings({"a": (3, [1.0, 2.0]), "b": (np.nan, [4.0, 5.0, 9.0]), "c": (6, [1.5])})
    found = compare_by_measures(table.assign(cutoff_rise=np.nan))
    assert set(found.measure) == {measure.name for measure in MEASURES} - {"cutoff_rise"}
    first = found[found.measure == "coefficient"].set_index(["task", "other_task"])
    assert len(first) == 3
    ab = first.loc[("a", "b")]
    assert (ab.trainings, ab.other_trainings, ab["mean"], ab.other_mean) == (2, 3, 1.5, 6)
    assert (ab.difference, ab.larger) == (-4.5, 0)
    assert ab.low < -4.5 < ab.high
    assert np.isnan(first.loc[("a", "c")].p)
    assert first.loc[("a", "c")].larger == 0.5
    nothing = compare_by_measures(table[table.task == "a"])
    assert nothing.columns.tolist() == COMPARED
    assert nothing.empty
