"""Parts of a data set: shares, leakage, the official folds."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sitenet.files import read_json
from sitenet.options.split import SplitSettings
from sitenet.splits.split import SplitError, make_split


def write(path, n=1000, offered=None, rows=None, **columns):
    """A table of structures with only the columns that a split reads."""
    rng = np.random.default_rng(3)
    formulas = [f"F{k}" for k in rng.zipf(1.6, n).clip(max=400)]
    table = pa.table(
        {
            "id": [f"id-{k}" for k in range(n)],
            "formula": formulas,
            "row": rows if rows is not None else list(range(n)),
            "gap": rng.random(n),
            **columns,
        }
    )
    with pq.ParquetWriter(path, table.schema) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({"rows": str(offered or n)})
    return table.to_pandas()


def split(tmp_path, task="gap", **section):
    settings = SplitSettings.from_dict(section)
    out = tmp_path / "split.csv", tmp_path / "split.json"
    make_split(tmp_path / "s.parquet", task, settings, *out)
    return pd.read_csv(out[0]), read_json(out[1])


def test_grouped_keeps_formulas_together(tmp_path):
    table = write(tmp_path / "s.parquet")
    parts, report = split(tmp_path, seed=1)
    assert parts.id.tolist() == table.id.tolist()
    by_formula = parts.merge(table, on="id").groupby("formula").split.nunique()
    assert by_formula.max() == 1
    assert report["fractions"]["test"] == pytest.approx(0.2, abs=0.005)
    assert report["fractions"]["val"] == pytest.approx(0.04, abs=0.005)
    assert all(shared["formulas"] == 0 for shared in report["shared"].values())
    again, _ = split(tmp_path, seed=1)
    other, _ = split(tmp_path, seed=2)
    assert parts.equals(again)
    assert not parts.equals(other)


def test_random_has_the_shares_and_reports_shared_formulas(tmp_path):
    table = write(tmp_path / "s.parquet")
    parts, report = split(tmp_path, kind="random", test=0.3, validation=0.1)
    assert parts.split.value_counts().to_dict() == {"train": 630, "test": 300, "val": 70}
    assert report["counts"] == {"train": 630, "test": 300, "val": 70}
    merged = parts.merge(table, on="id")
    train = set(merged[merged.split == "train"].formula)
    test = merged[merged.split == "test"].formula
    shared = report["shared"]["train-test"]
    assert shared["formulas"] == len(train & set(test)) > 0
    assert shared["crystals"] == test.isin(train).sum()
    assert shared["ids"] == 0


@pytest.mark.parametrize("fold", [0, 4])
def test_matbench_folds_count_rejected_rows(tmp_path, fold):
    from sklearn.model_selection import KFold

    offered = 1100
    rows = np.sort(np.random.default_rng(0).choice(offered, 1000, replace=False))
    table = write(tmp_path / "s.parquet", offered=offered, rows=rows)
    official = KFold(5, shuffle=True, random_state=18012019).split(np.zeros(offered))
    train, test = list(official)[fold]
    parts, _ = split(tmp_path, kind="matbench", fold=fold, validation=0.05)
    row = dict(zip(table.id, table.row, strict=True))
    chosen = {part: {row[i] for i in group.id} for part, group in parts.groupby("split")}
    assert chosen["test"] == set(test) & set(rows)
    assert chosen["train"] | chosen["val"] == set(train) & set(rows)
    assert len(chosen["val"]) == round(0.05 * len(chosen["train"] | chosen["val"]))


def test_matbench_folds_of_a_classification_are_refused(tmp_path):
    write(tmp_path / "s.parquet", is_metal=[0.0, 1.0] * 500)
    with pytest.raises(SplitError, match="stratified"):
        split(tmp_path, "is_metal", kind="matbench")


def test_given_column(tmp_path):
    given = ["train", "val", "test", "train"] * 250
    write(tmp_path / "s.parquet", split=given)
    parts, _ = split(tmp_path, kind="column")
    assert parts.split.tolist() == given


def test_given_column_without_validation(tmp_path):
    table = write(tmp_path / "s.parquet", part=["train", "train", "test", "train"] * 250)
    parts, report = split(tmp_path, kind="column", column="part", validation=0.1)
    merged = parts.merge(table, on="id")
    assert (merged[merged.part == "test"].split == "test").all()
    assert report["counts"]["val"] == pytest.approx(75, abs=3)
    assert report["shared"]["train-val"]["formulas"] == 0


def test_given_column_with_other_words(tmp_path):
    write(tmp_path / "s.parquet", split=["train", "valid"] * 500)
    with pytest.raises(SplitError, match="'valid': the parts are train, val, test"):
        split(tmp_path, kind="column")


def test_only_crystals_with_a_value(tmp_path):
    values = np.arange(1000.0)
    values[::3] = np.nan
    write(tmp_path / "s.parquet", energy=pa.array(values, from_pandas=True))
    parts, report = split(tmp_path, "energy", kind="random")
    assert set(parts.id) == {f"id-{k}" for k in range(1000) if k % 3}
    assert sum(report["counts"].values()) == len(parts)
    write(tmp_path / "s.parquet", energy=pa.array([None] * 1000, pa.float64()))
    with pytest.raises(SplitError, match="no crystal"):
        split(tmp_path, "energy")


def test_learning_curve_keeps_validation_and_test(tmp_path):
    write(tmp_path / "s.parquet")
    full, _ = split(tmp_path)
    previous = set(full[full.split == "train"].id)
    for size in (400, 100):
        parts, report = split(tmp_path, train_size=size)
        assert report["counts"]["train"] == size
        for part in ("val", "test"):
            assert set(parts[parts.split == part].id) == set(full[full.split == part].id)
        train = set(parts[parts.split == "train"].id)
        assert train < previous
        previous = train
    with pytest.raises(SplitError, match=r"only 7\d\d can train"):
        split(tmp_path, train_size=900)


def test_small_sets(tmp_path):
    write(tmp_path / "s.parquet", n=12, formula=[f"A{k}B" for k in range(12)])
    _, report = split(tmp_path)
    assert report["counts"] == {"train": 9, "val": 1, "test": 2}
    write(tmp_path / "s.parquet", n=12, formula=["AB"] * 12)
    with pytest.raises(SplitError, match="no crystals in val and test"):
        split(tmp_path)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"kind": "time"}, "kind must be one of grouped, random, matbench, column, not 'time'"),
        ({"test": 0}, "test must be more than 0, not 0"),
        ({"validation": 1.0}, "validation must be less than 1, not 1.0"),
        ({"kind": "matbench", "fold": 5}, "fold must be at most 4, not 5"),
    ],
)
def test_impossible_settings_are_refused(section, message):
    with pytest.raises(ValueError, match=message):
        SplitSettings.from_dict(section)
