"""Tables in three formats, and runs that were interrupted."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from salt_cif import salt

from sitenet import Predictor
from sitenet.api import output
from sitenet.api.given import Given
from sitenet.cli import main

FILES = ["new/a.cif", "new/b.cif", "new/c.cif", "new/d.cif", "new/e.cif"]


def read(path: str) -> pd.DataFrame:
    if path.endswith(".json"):
        return pd.DataFrame(json.loads(Path(path).read_text()))
    return (
        pd.read_csv(path, keep_default_na=False) if path.endswith(".csv") else pd.read_parquet(path)
    )


def test_formats_have_the_same_rows(runs: Path, cifs: Path) -> None:
    for name in ("t.csv", "t.json", "t.parquet"):
        assert main(["predict", str(runs), "new", "--level", "0.7", "--out", name]) == 2
    tables = [read(name) for name in ("t.csv", "t.json", "t.parquet")]
    frame = Predictor.load(runs).predict("new", level=0.7)
    for table in tables:
        assert table.columns.tolist() == frame.columns.tolist()
        assert table.id.tolist() == FILES
        assert table.problem.tolist() == frame.problem.tolist()
        for column in ("prediction", "lower", "upper", "spread"):
            values = pd.to_numeric(table[column]).to_numpy(float)
            assert values == pytest.approx(frame[column].to_numpy(), nan_ok=True)
    assert not list(Path().glob("*.unfinished"))


def test_vectors_are_written_too(runs: Path, cifs: Path) -> None:
    model = str(runs / "seed0")
    assert main(["embed", model, *FILES[:2], "--out", "z.parquet"]) == 0
    table = pd.read_parquet("z.parquet")
    pd.testing.assert_frame_equal(table, Predictor.load(model).embed(FILES[:2]))
    assert table.filter(regex="^z").shape == (2, 8)


@pytest.mark.parametrize("out", ["t.txt", "t"])
def test_other_formats_are_refused(out: str, runs: Path, cifs: Path) -> None:
    with pytest.raises(ValueError, match=r"a table is written as \.csv, \.json, \.parquet"):
        Predictor.load(runs).write("new", Path(out))


class Interrupted:
    """Rows of crystals, each of which counts how often it is computed; stops after some."""

    def __init__(self) -> None:
        self.computed: list[str] = []
        self.stop_after = 10**9

    def __call__(self, crystals: Iterator[Given], total: int) -> Iterator[tuple[Any, ...]]:
        for given in crystals:
            if len(self.computed) == self.stop_after:
                raise KeyboardInterrupt
            self.computed.append(given.id)
            yield given.id, float(len(given.content)), ""


COLUMNS = ("id", "prediction", "problem")
GIVEN = [Given(str(k), "cif", "x" * k) for k in range(6)]


def written(compute: Interrupted, given: list[Given], made_by: str = "model") -> output.Written:
    return output.write_rows(Path("t.csv"), COLUMNS, iter(given), compute, [made_by])


def interrupted(compute: Interrupted, after: int) -> None:
    compute.stop_after = after
    with pytest.raises(KeyboardInterrupt):
        written(compute, GIVEN)
    compute.stop_after = 10**9
    compute.computed.clear()


@pytest.fixture
def compute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Interrupted:
    monkeypatch.chdir(tmp_path)
    return Interrupted()


@pytest.mark.parametrize("after", [1, 3, 5])
def test_finished_rows_are_kept(after: int, compute: Interrupted) -> None:
    interrupted(compute, after)
    assert not Path("t.csv").exists()
    found = written(compute, GIVEN)
    assert (found.rows, found.kept) == (6, after)
    assert compute.computed == [str(k) for k in range(after, 6)]
    table = pd.read_csv("t.csv", keep_default_na=False)
    assert table.prediction.tolist() == [0, 1, 2, 3, 4, 5]
    assert table.id.tolist() == [0, 1, 2, 3, 4, 5]


def test_a_row_that_was_cut_off_is_computed_again(compute: Interrupted) -> None:
    interrupted(compute, 4)
    journal = Path("t.csv.unfinished")
    journal.write_bytes(journal.read_bytes()[:-3])
    assert written(compute, GIVEN).kept == 3
    assert compute.computed == ["3", "4", "5"]


def test_a_crystal_that_changed_is_computed_again_with_those_after_it(compute: Interrupted) -> None:
    interrupted(compute, 4)
    changed = [*GIVEN[:2], Given("2", "cif", "other"), *GIVEN[3:]]
    assert written(compute, changed).kept == 2
    assert pd.read_csv("t.csv").prediction.tolist() == [0, 1, 5, 3, 4, 5]


def test_another_model_begins_anew(compute: Interrupted) -> None:
    interrupted(compute, 4)
    assert written(compute, GIVEN, "other").kept == 0
    assert compute.computed == [str(k) for k in range(6)]


def test_fewer_crystals_than_before(compute: Interrupted) -> None:
    interrupted(compute, 4)
    found = written(compute, GIVEN[:2])
    assert (found.rows, found.kept) == (2, 2)
    assert compute.computed == []
    assert pd.read_csv("t.csv").id.tolist() == [0, 1]


def test_a_file_that_changed_has_another_key(tmp_path: Path) -> None:
    path = tmp_path / "a.cif"
    path.write_text("x")
    given = Given("a", "cif file", str(path))
    before = output.key_of(given)
    assert output.key_of(given) == before
    path.write_text("xy")
    assert output.key_of(given) != before
    path.unlink()
    assert output.key_of(given) != before


def test_the_command_continues_a_run_that_was_killed(
    runs: Path, cifs: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from sitenet.api import predictor

    monkeypatch.setattr(predictor, "TOGETHER", 2)
    assert main(["predict", str(runs), "new", "--out", "whole.csv"]) == 2
    original = predictor.CrystalStore.from_crystals
    calls = []

    def second_fails(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(predictor.CrystalStore, "from_crystals", second_fails)
        with pytest.raises(KeyboardInterrupt):
            main(["predict", str(runs), "new", "--out", "part.csv"])
    assert main(["predict", str(runs), "new", "--out", "part.csv"]) == 2
    assert "2 rows of an interrupted run are kept" in capfd.readouterr().err
    assert Path("part.csv").read_text() == Path("whole.csv").read_text()


def test_more_problems_than_are_told(runs: Path, cifs: Path, capfd: pytest.CaptureFixture[str],
                                     monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setattr(output, "TOLD", 2)
    for number in range(4):
        (cifs / f"bad{number}.cif").write_text("")
    (cifs / "good.cif").write_text(salt())
    assert main(["predict", str(runs), "new", "--out", "t.csv"]) == 2
    told = capfd.readouterr().err
    assert "and 3 more, with their reasons in the table" in told
    assert "5 of 10 crystals could not be used" in told
