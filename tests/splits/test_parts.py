"""Parts of a split: read as they were written, drawn alike for all who ask."""

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitenet.splits.parts import PARTS, UNUSED, Parts, parts_of_run, read_parts, write_parts
from sitenet.tables import DamagedTable

IDS = [f"mp-{k}" for k in range(300)]


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs", "Cc"])),
                       st.sampled_from(PARTS)))  # fmt: skip
def test_parts_are_read_as_written(tmp_path_factory: pytest.TempPathFactory, of) -> None:
    """Whatever the ids: empty, NA, with commas and quotes."""
    path = tmp_path_factory.mktemp("split") / "split.csv"
    write_parts(path, of.items())
    found = read_parts(path)
    assert list(found.of.items()) == list(of.items())
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    for part in PARTS:
        assert found.ids(part) == table.id[table.split == part].tolist()
        assert found.ids(part) == [name for name, there in of.items() if there == part]


@pytest.mark.parametrize("text", ["", "id,split\na,train\nb", "id,split\na,trai", "a,train\n"])
def test_what_is_no_split_is_damaged(tmp_path: Path, text: str) -> None:
    (tmp_path / "split.csv").write_text(text)
    with pytest.raises(DamagedTable, match="not an id and train, val or test"):
        read_parts(tmp_path / "split.csv")


def test_an_id_in_two_parts_is_refused(tmp_path: Path) -> None:
    write_parts(tmp_path / "split.csv", [("a", "train"), ("b", "val"), ("a", "test")])
    with pytest.raises(DamagedTable, match="twice"):
        read_parts(tmp_path / "split.csv")


def test_draws_take_the_part_keep_the_order_and_nest() -> None:
    parts = Parts(Path("split.csv"), dict.fromkeys(IDS[:250], "train")
                  | dict.fromkeys(IDS[250:], "test"))  # fmt: skip
    small, large = parts.drawn("train", 20, 0), parts.drawn("train", 100, 0)
    assert len(small) == 20
    assert set(small) < set(large) < set(IDS[:250])
    assert large == sorted(large, key=IDS.index)
    assert parts.drawn("test", None, 0) == parts.drawn("test", 80, 1) == IDS[250:]
    assert parts.drawn("train", 20, 1) != small
    assert parts.without(set(IDS[:240])).drawn("train", 20, 0) == IDS[240:250]
    with pytest.raises(ValueError, match=r"split\.csv has no crystals in its part val"):
        parts.drawn("val", 3, 0)


def test_a_draw_is_the_first_in_order_of_the_hashes() -> None:
    """Crystals drawn once stay drawn: other values would make results of old runs stale."""
    parts = Parts(Path("split.csv"), dict.fromkeys(IDS, "train"))
    assert parts.drawn("train", 3, 0) == ["mp-14", "mp-184", "mp-228"]


def test_parts_of_a_run_tell_what_it_did_not_train_on(tmp_path: Path) -> None:
    rows = {"a": "train", "b": UNUSED, "c": "test"}
    table = pd.DataFrame({"id": rows.keys(), "split": rows.values(), "prediction": 0.0})
    table.to_parquet(tmp_path / "predictions.parquet")
    assert parts_of_run(tmp_path / "predictions.parquet").of == rows
