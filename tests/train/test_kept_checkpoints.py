"""A job goes on from its checkpoints only where settings, code and data are those they are of."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "workflow" / "scripts"
SETTINGS = {"code": "1a2b", "training": {"seed": 0, "learning_rate": 0.01}, "n": 50}

Checkpoints = Callable[..., Path]


@pytest.fixture
def checkpoints(monkeypatch: pytest.MonkeyPatch) -> Checkpoints:
    """What the scripts of all trainings ask for their folder of checkpoints."""
    monkeypatch.setattr(sys, "path", [str(SCRIPTS), *sys.path])
    spec = importlib.util.spec_from_file_location("job", SCRIPTS / "job.py")
    job = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(job)
    return job.checkpoints


@pytest.fixture
def started(checkpoints: Checkpoints, tmp_path: Path) -> tuple[Path, Path]:
    """A folder with a checkpoint, and the data it comes from."""
    data = tmp_path / "shard.parquet"
    data.write_bytes(b"crystals")
    folder = checkpoints(tmp_path / ".checkpoints", files=[str(data)], settings=SETTINGS)
    (folder / "last.ckpt").write_bytes(b"epoch 3")
    return folder, data


def test_the_same_job_finds_its_checkpoint(checkpoints: Checkpoints, started: tuple[Path, Path]):
    folder, data = started
    assert checkpoints(folder, files=[str(data)], settings=SETTINGS) == folder
    assert (folder / "last.ckpt").read_bytes() == b"epoch 3"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"training": {"seed": 0, "learning_rate": 0.02}}, "training"),
        ({"training": {"seed": 1, "learning_rate": 0.01}}, "training"),
        ({"code": "3c4d"}, "code"),
        ({"n": 100, "extra": True}, "n, extra"),
    ],
)
def test_other_settings_start_anew(
    checkpoints: Checkpoints, started: tuple[Path, Path], change: dict, told: str,
    caplog: pytest.LogCaptureFixture,
):  # fmt: skip
    folder, data = started
    with caplog.at_level("INFO", logger="sitenet"):
        checkpoints(folder, files=[str(data)], settings=SETTINGS | change)
    assert not (folder / "last.ckpt").exists()
    assert f"not continued after a change of {told}" in caplog.text
    (folder / "last.ckpt").write_bytes(b"of the new settings")
    checkpoints(folder, files=[str(data)], settings=SETTINGS)
    assert not (folder / "last.ckpt").exists(), "nor do the former ones come back"


def test_settings_that_are_gone_start_anew(checkpoints: Checkpoints, started: tuple[Path, Path]):
    folder, data = started
    fewer = {name: value for name, value in SETTINGS.items() if name != "n"}
    checkpoints(folder, files=[str(data)], settings=fewer)
    assert not (folder / "last.ckpt").exists()


def test_other_data_start_anew(checkpoints: Checkpoints, started: tuple[Path, Path]):
    folder, data = started
    data.write_bytes(b"one crystal more")
    checkpoints(folder, files=[str(data)], settings=SETTINGS)
    assert not (folder / "last.ckpt").exists()


def test_a_folder_that_does_not_say_what_it_is_of_starts_anew(
    checkpoints: Checkpoints, started: tuple[Path, Path]
):
    folder, data = started
    for note in folder.glob("*.json"):
        note.unlink()
    checkpoints(folder, files=[str(data)], settings=SETTINGS)
    assert not (folder / "last.ckpt").exists()
