"""What an encoder must not see: crystals that it is tested on elsewhere."""

from pathlib import Path

import pandas as pd
import pytest

from sitenet.splits.held_out import Evaluation, HeldOut, evaluations
from sitenet.splits.parts import read_parts, write_parts


def write(folder: Path, name: str, rows: list[tuple[str, str, str]]) -> tuple[Path, Path]:
    """A data set of (id, formula, part): its table of structures and its split."""
    table, split = folder / f"{name}.parquet", folder / f"{name}.csv"
    pd.DataFrame(rows, columns=["id", "formula", "part"])[["id", "formula"]].to_parquet(table)
    write_parts(split, [(name, part) for name, _, part in rows if part])
    return table, split


@pytest.fixture
def own(tmp_path: Path) -> tuple[Path, Path]:
    return write(tmp_path, "own", [
        ("1", "NaCl", "train"), ("2", "MgO", "val"), ("3", "MgO", "train"),
        ("4", "KF", "train"), ("5", "KF", "test"), ("6", "LiF", "train"),
    ])  # fmt: skip


def test_nothing_is_read_where_nothing_is_tested(own, caplog) -> None:
    parts = read_parts(own[1])
    with caplog.at_level("INFO", logger="sitenet"):
        assert HeldOut(Path("not-there")).without(parts, "run") is parts
    assert not caplog.text


def test_another_data_set_is_recognised_by_formula_not_by_id(own, tmp_path, caplog) -> None:
    """Both have ids 1 to 4, which mean nothing to each other."""
    other = write(tmp_path, "other", [
        ("1", "MgO", "test"), ("2", "CsI", "test"), ("3", "CsI", "test"), ("4", "NaCl", "train"),
    ])  # fmt: skip
    held_out = HeldOut(own[0], tested=(Evaluation(*other),))
    with caplog.at_level("INFO", logger="sitenet"):
        left = held_out.without(read_parts(own[1]), "pre-training")
    assert list(left.of) == ["1", "4", "5", "6"]
    assert "pre-training: 2 of 5 crystals held out" in caplog.text
    assert "have a formula" not in caplog.text
    whole = HeldOut(own[0], datasets=(other[0],)).without(read_parts(own[1]), "pre-training")
    assert list(whole.of) == ["4", "5", "6"]  # all formulas of the data set, not only tested ones


def test_the_same_data_set_is_recognised_by_id(own, tmp_path, caplog) -> None:
    """Another split of it, such as another fold; shared formulas are told, not left out."""
    fold = tmp_path / "fold1.csv"
    write_parts(fold, [("3", "test"), ("6", "test"), ("1", "train"), ("2", "val")])
    held_out = HeldOut(own[0], tested=(Evaluation(own[0], fold),))
    with caplog.at_level("INFO", logger="sitenet"):
        left = held_out.without(read_parts(own[1]), "encoder")
    assert list(left.of) == ["1", "2", "4", "5"]
    assert "encoder: 2 of 5 crystals held out" in caplog.text
    assert f"1 of 2 test crystals of {fold} have a formula that is trained on" in caplog.text


def test_evaluations_are_listed_once() -> None:
    assert evaluations(["a", "b", "a"], ["x", "y", "x"]) == (
        Evaluation(Path("a"), Path("x")), Evaluation(Path("b"), Path("y"))
    )  # fmt: skip
