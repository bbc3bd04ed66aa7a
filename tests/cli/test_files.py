"""Commands on files of any kind: what can be used is, the rest is told, and early."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from attention_models import saved_model
from example_crystals import EXAMPLES
from safetensors.torch import load_file, save_file

from sitenet.api import predictor, reading
from sitenet.api.given import files_in, given_crystals
from sitenet.cli import main
from sitenet.sources.cif_writer import write_cif

SALT = write_cif("NaCl", 5.64 * np.eye(3), ["Na"] * 4 + ["Cl"] * 4, EXAMPLES["rocksalt"].frac)

Told = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: a model, and a folder of CIFs as people have them."""
    monkeypatch.chdir(tmp_path)
    saved_model(tmp_path)
    for name in ("new/b.cif", "new/A.CIF", "new/deep/er/c.cif", "new/.trash/d.cif", "new/._b.cif",
                 "new/notes.txt", "one.cif"):  # fmt: skip
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(SALT)
    Path("new/broken.cif").write_text("data_x\nloop_\n")
    return tmp_path


def predicted(*arguments: str) -> tuple[int, pd.DataFrame]:
    """Exit code and table of `sitenet predict`."""
    code = main(["predict", "model.safetensors", *arguments, "--out", "table.csv"])
    return code, pd.read_csv("table.csv", keep_default_na=False)


def test_a_folder_stands_for_its_cifs_and_those_of_its_subfolders(folder: Path):
    code, table = predicted("new", "one.cif")
    assert code == 2  # one of them is broken
    assert table.id.tolist() == ["new/A.CIF", "new/b.cif", "new/broken.cif", "new/deep/er/c.cif",
                                  "one.cif"]  # fmt: skip
    assert (table.prediction != "").tolist() == [True, True, False, True, True]
    assert (table.problem == "").tolist() == [True, True, False, True, True]
    good = table.prediction[table.problem == ""].astype(float)
    assert good.to_numpy() == pytest.approx(good.iloc[0], rel=1e-5)


def test_every_path_is_in_the_table_whatever_it_is(folder: Path, capfd: Told):
    os.mkfifo("new/pipe.cif")
    Path("nothing").mkdir()
    Path("new/dangling.cif").symlink_to("gone.cif")
    code, table = predicted("absent.cif", "one.cif", "nothing", "gone/", "new/pipe.cif",
                            "new/dangling.cif", "/dev/zero")  # fmt: skip
    assert code == 2
    problems = dict(zip(table.id, table.problem, strict=True))
    assert problems == {
        "absent.cif": "it does not exist",
        "one.cif": "",
        "nothing": "the folder has no CIF file",
        "gone": "it does not exist",
        "new/pipe.cif": "it is no file",
        "new/dangling.cif": "it does not exist",
        "/dev/zero": "it is no file",
    }
    told = capfd.readouterr().err
    assert "absent.cif: it does not exist" in told
    assert "6 of 7 crystals could not be used" in told


def test_names_that_are_not_utf8_are_in_the_table(folder: Path, capfd: Told):
    name = os.fsdecode(b"new/caf\xe9.cif")
    Path(name).write_text(SALT)
    code, table = predicted(name)
    assert code == 0
    assert table.id.tolist() == ["new/caf\\udce9.cif"]
    assert main(["predict", "model.safetensors", name]) == 0
    assert capfd.readouterr().out.splitlines()[1].startswith("new/caf\\udce9.cif,")


def test_what_reading_changed_is_in_the_table(folder: Path):
    text = SALT.replace("data_NaCl", "data_NaCl\n_chemical_formula_sum 'Na1 Cl2'")
    Path("other.cif").write_text(text)
    code, table = predicted("other.cif", "one.cif")
    assert code == 0
    assert "formula" in table.note[0]
    assert table.note[1] == ""


@pytest.mark.parametrize("command", ["predict", "embed", "explain"])
@pytest.mark.parametrize("file", ["new/broken.cif", "absent.cif", "empty"])
def test_a_command_without_a_usable_file_fails(command: str, file: str, folder: Path, capfd: Told):
    Path("empty").mkdir()
    out = ["--out", "explained"] if command == "explain" else []
    assert main([command, "model.safetensors", file, *out]) == 2
    assert f"{file}: " in capfd.readouterr().err


def test_a_file_that_hangs_or_takes_all_memory_ends_only_itself(folder: Path):
    """27,000 atoms of random kinds on a grid, one cell, beside a salt."""
    random = np.random.default_rng(0)
    places = np.stack(np.meshgrid(*[np.arange(30) / 30] * 3), axis=-1).reshape(-1, 3)
    symbols = random.choice(["Sr", "Ti", "O"], len(places)).tolist()
    Path("huge.cif").write_text(write_cif("x", 90 * np.eye(3), symbols, places))
    code, table = predicted("huge.cif", "one.cif", "--seconds", "1")
    assert code == 2
    assert (table.problem == "").tolist() == [False, True]
    assert re.search(r"more than [\d,]+ (s|atoms)\b|memory|27,000 or more sites", table.problem[0])


def test_many_files_are_read_in_parts_and_in_order(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(predictor, "TOGETHER", 2)
    code, table = predicted("one.cif", "new/broken.cif", "new/b.cif", "absent.cif", "new/A.CIF")
    assert code == 2
    assert (table.prediction != "").tolist() == [True, False, True, False, True]


def test_a_result_that_is_no_number_is_told(folder: Path):
    """Weights that are finite, but overflow."""
    state = load_file("model.safetensors")
    state["label_scale"] = torch.tensor(3e38)
    state["decoder.bias"] = torch.full_like(state["decoder.bias"], 1e5)
    save_file(state, "model.safetensors")
    code, table = predicted("one.cif")
    assert code == 2
    assert table.problem.tolist() == ["the model's result is not a finite number"]
    assert table.prediction.tolist() == [""]


def absent_model() -> None:
    Path("model.safetensors").unlink()


def absent_description() -> None:
    Path("model.json").unlink()


def cut_off_model() -> None:
    Path("model.safetensors").write_bytes(Path("model.safetensors").read_bytes()[:-1])


def model_with_nan() -> None:
    state = load_file("model.safetensors")
    state["label_shift"] = torch.tensor(torch.nan)
    save_file(state, "model.safetensors")


@pytest.mark.parametrize("command", ["predict", "embed", "explain"])
@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (absent_model, "model.safetensors does not exist"),
        (absent_description, "model.json does not exist"),
        (cut_off_model, "is no safetensors file, or damaged"),
        (model_with_nan, "label_shift holds values that are not finite"),
    ],
)
def test_a_model_that_cannot_be_used_is_told_before_a_file_is_read(
    command: str, damage: Callable[[], None], told: str, folder: Path, capfd: Told,
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    monkeypatch.setattr(reading, "guarded_map", lambda *_, **__: pytest.fail("a file was read"))
    damage()
    assert main([command, "model.safetensors", "one.cif", "--out", "out"]) == 1
    assert told in capfd.readouterr().err


@pytest.mark.parametrize("command", ["predict", "embed"])
@pytest.mark.parametrize(
    ("out", "told"),
    [
        ("no/table.csv", "the folder no of --out does not exist"),
        ("one.cif/table.csv", "the folder one.cif of --out is no folder"),
        ("new", "--out new is a folder"),
        ("/proc/table.csv", "the folder /proc of --out is not writable"),
        ("one.cif", "is one of the files to be read"),
        ("new/../model.safetensors", "is one of the files to be read"),
    ],
)
def test_a_place_that_cannot_take_the_table_is_told_before_a_file_is_read(
    command: str, out: str, told: str, folder: Path, capfd: Told, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(reading, "guarded_map", lambda *_, **__: pytest.fail("a file was read"))
    assert main([command, "model.safetensors", "one.cif", "--out", out]) == 1
    assert told in capfd.readouterr().err
    assert Path("one.cif").read_text() == SALT


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["one.cif", "--out", "one.cif/x"], "one.cif/x"),
        (["one.cif", "--out", "x", "--compare", "gone.parquet"], "--compare gone.parquet does not"),
        (["one.cif", "--out", "x", "--site", "Xx9"], "no site Xx9"),
    ],
)
def test_explain_tells_what_it_cannot_do(
    arguments: list[str], told: str, folder: Path, capfd: Told
):
    assert main(["explain", "model.safetensors", *arguments]) == 1
    assert told in capfd.readouterr().err


def test_explain_takes_one_file(folder: Path, capfd: Told):
    assert main(["explain", "model.safetensors", "new", "--out", "x"]) == 2
    assert "new: it is a folder: give one file" in capfd.readouterr().err


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "soon"])
def test_a_limit_that_is_none_is_refused(seconds: str, folder: Path, capfd: Told):
    with pytest.raises(SystemExit, match="2"):
        main(["predict", "model.safetensors", "one.cif", "--seconds", seconds])
    assert f"it must be a number above 0, not {seconds}" in capfd.readouterr().err


def test_links_to_folders_are_not_followed(folder: Path):
    Path("new/round").symlink_to("..", target_is_directory=True)
    assert len(list(files_in(Path("new")))) == 4
    (one,) = given_crystals("new/round/one.cif")
    assert (one.id, one.problem) == ("new/round/one.cif", "")
