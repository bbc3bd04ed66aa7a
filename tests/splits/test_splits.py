"""Parts of a data set: shares, leakage, the official folds."""

import dataclasses

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
            "lattice": (np.eye(3) * (4 + np.arange(n)[:, None, None] / 30)).reshape(n, 9).tolist(),
            "n_sites": [1] * n,
            "numbers": [[1]] * n,
            "frac": [[0.0, 0.0, 0.0]] * n,
            "oxidation_given": [[0.0]] * n,
            **columns,
        }
    )
    with pq.ParquetWriter(path, table.schema) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({"rows": str(offered or n)})
    return table.to_pandas()


def split(tmp_path, task="gap", *, run_fold=0, output="linear", held_out=(), **section):
    settings = SplitSettings.from_dict(section)
    out = tmp_path / "split.csv", tmp_path / "split.json"
    table = tmp_path / "s.parquet"
    make_split(table, table, task, settings, *out, held_out=held_out, fold=run_fold, output=output)
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
        ({"kind": "time"}, "kind must be one of grouped, prototype, random, matbench, column, not"),
        ({"test": 0}, "test must be more than 0, not 0"),
        ({"validation": 1.0}, "validation must be less than 1, not 1.0"),
        ({"kind": "matbench", "fold": 5}, "fold must be at most 4, not 5"),
    ],
)
def test_impossible_settings_are_refused(section, message):
    with pytest.raises(ValueError, match=message):
        SplitSettings.from_dict(section)


def test_tasks_with_missing_labels_put_a_formula_on_the_same_side(tmp_path):
    """Whatever labels are missing, and however many tasks there are."""
    rng = np.random.default_rng(0)
    half = pa.array(np.where(rng.random(1000) < 0.5, 1.0, np.nan), from_pandas=True)
    few = pa.array(np.where(rng.random(1000) < 0.95, 1.0, np.nan), from_pandas=True)
    table = write(tmp_path / "s.parquet", half=half, few=few).set_index("id")
    side = {}
    for task, count in (("gap", 1000), ("half", half.drop_null()), ("few", few.drop_null())):
        parts, report = split(tmp_path, task)
        assert len(parts) == (count if task == "gap" else len(count))
        assert report["fractions"]["test"] == pytest.approx(0.2, abs=0.04)
        by_formula = parts.assign(formula=table.formula[parts.id].to_numpy())
        for formula, part in set(zip(by_formula.formula, by_formula.split, strict=True)):
            assert side.setdefault(formula, part) == part


@pytest.mark.parametrize("kind", ["random", "matbench"])
def test_a_crystal_is_in_one_part_for_all_tasks(tmp_path, kind):
    values = np.arange(1000.0)
    values[::7] = np.nan
    write(tmp_path / "s.parquet", other=pa.array(values, from_pandas=True))
    first, _ = split(tmp_path, kind=kind)
    second, _ = split(tmp_path, "other", kind=kind)
    both = first.merge(second, on="id")
    assert len(both) == len(second)
    assert (both.split_x == both.split_y).all()


def test_a_part_without_labels_is_refused_with_a_remedy(tmp_path):
    values = np.full(1000, np.nan)
    values[:3] = 1.0
    write(tmp_path / "s.parquet", rare=pa.array(values, from_pandas=True))
    with pytest.raises(SplitError, match=r"of 3 with a label\): change the shares or the seed"):
        split(tmp_path, "rare")


@pytest.mark.parametrize("kind", ["grouped", "random"])
def test_every_crystal_is_tested_once_and_validated_once(tmp_path, kind):
    table = write(tmp_path / "s.parquet", formula=[f"F{k // 3}" for k in range(1000)])
    folds = [split(tmp_path, kind=kind, folds=5, run_fold=k)[0] for k in range(5)]
    for part in ("test", "val"):
        tested = [set(parts.id[parts.split == part]) for parts in folds]
        assert sum(map(len, tested)) == 1000
        assert set.union(*tested) == set(table.id)
        assert all(abs(len(one) - 200) <= 3 for one in tested)
    assert set(folds[0].id[folds[0].split == "val"]) == set(folds[1].id[folds[1].split == "test"])
    if kind == "grouped":
        for parts in folds:
            assert parts.merge(table, on="id").groupby("formula").split.nunique().max() == 1
    again, report = split(tmp_path, kind=kind, folds=5, run_fold=7)
    assert again.equals(folds[2])
    assert report["folds"] == 5


def test_structure_types_stay_together(tmp_path):
    """Whatever the order of the table that has them."""
    table = write(tmp_path / "s.parquet", n=30, formula=[f"F{k}" for k in range(30)])
    types = table[["id"]].assign(structure_type=[f"AB, {k % 3}, 2" for k in range(30)])
    types.sample(frac=1, random_state=0).to_parquet(tmp_path / "features.parquet")
    out = tmp_path / "split.csv", tmp_path / "split.json"
    for settings in (SplitSettings("prototype", folds=3), SplitSettings("prototype", test=0.4)):
        if settings.folds is None:
            settings = dataclasses.replace(settings, validation=0.5)
        make_split(tmp_path / "s.parquet", tmp_path / "s.parquet", "gap", settings, *out,
                   features=tmp_path / "features.parquet")  # fmt: skip
        parts = pd.read_csv(out[0])
        assert parts.groupby(np.arange(30) % 3).split.nunique().tolist() == [1, 1, 1]
        assert parts.split.value_counts().to_dict() == {"train": 10, "val": 10, "test": 10}


def test_warnings_are_logged_and_reported(tmp_path, caplog):
    values = np.random.default_rng(0).random(300) * 100
    values[7], values[8] = 1e6, -2.0
    lattices = (np.eye(3) * (4 + np.arange(300)[:, None, None] / 30)).reshape(300, 9)
    lattices[20] = lattices[21]
    values[20], values[21] = 10.0, 90.0
    write(
        tmp_path / "s.parquet",
        n=300,
        formula=["Fe" if k in (20, 21) else f"F{k}" for k in range(300)],
        modulus=values,
        lattice=lattices.tolist(),
    )
    _, report = split(tmp_path, "modulus", output="nonnegative", validation=0.1)
    outlying, negative, alike = report["warnings"]
    assert outlying.startswith("1 of 300 labels are far from the others")
    assert "id-7 (1e+06)" in outlying
    assert negative.startswith("1 of 300 labels are negative: id-8 (-2)")
    assert "id-20 (10) and id-21 (90)" in alike
    assert "only 24 validation crystals (fewer than 50)" in caplog.text
    assert "set split.folds to 5" in caplog.text
    assert "training crystals" not in caplog.text
    for warning in report["warnings"]:
        assert f"split of modulus: {warning}" in caplog.text


@pytest.mark.parametrize("kind", ["grouped", "random", "matbench", "column"])
def test_formulas_of_held_out_data_sets_are_in_no_part(tmp_path, caplog, kind):
    """Recognised by formulas, whatever the ids; the others stay where they are."""
    table = write(tmp_path / "s.parquet", split=["train", "val", "test", "train"] * 250)
    tables = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    for path, formulas in zip(tables, (["F1", "other"], ["F2", "F3"]), strict=True):
        pd.DataFrame({"id": ["id-0", "id-1"], "formula": formulas}).to_parquet(path)
    before, _ = split(tmp_path, kind=kind)
    with caplog.at_level("INFO", logger="sitenet"):
        parts, report = split(tmp_path, kind=kind, hold_out=["a", "b"], held_out=tables)
    gone = table.formula.isin(["F1", "F2", "F3"])
    assert gone.sum() > 100
    assert parts.equals(before[~gone].reset_index(drop=True))
    assert report["held_out"] == gone.sum()
    assert f"{gone.sum():,} of 1,000 crystals held out, since they have a formula of a or b" in (
        caplog.text
    )
    size = {"hold_out": ["a", "b"], "held_out": tables, "train_size": 100}
    limited, _ = split(tmp_path, kind=kind, **size)
    assert limited.split.value_counts()["train"] == 100  # of those that are left


def test_too_much_is_held_out(tmp_path):
    write(tmp_path / "s.parquet")
    with pytest.raises(SplitError, match="or use more crystals, or hold out fewer"):
        split(tmp_path, hold_out=["all"], held_out=[tmp_path / "s.parquet"])
