"""Processes that end without freeing their memory do all else that happens at their end."""

import gc
import subprocess
import sys
from pathlib import Path

import pytest

from sitenet.lifetime import begin_loading, end_loading

PROGRAM = """
from sitenet.lifetime import leave_with
import atexit, logging, sys, threading, time

class Kept:
    def __del__(self):
        print("freed")

kept = Kept()
logging.basicConfig(filename="log.txt")
atexit.register(print, "registered")
threading.Thread(target=lambda: (time.sleep(0.2), print("thread"))).start()
logging.warning("logged")
leave_with(3)
print("end")
"""


def ended(program: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """What a program of its own said and ended with."""
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)


def test_all_but_freeing_happens(tmp_path: Path) -> None:
    found = ended(PROGRAM, tmp_path)
    assert (found.returncode, found.stderr) == (3, "")
    assert found.stdout.split() == ["end", "thread", "registered"]  # not "freed"
    assert "logged" in (tmp_path / "log.txt").read_text()


@pytest.mark.parametrize(
    ("program", "code", "said"),
    [
        ("import sitenet.lifetime", 0, ""),
        (f"{PROGRAM}\nraise ValueError('later')", 1, "later"),
        (PROGRAM.replace("leave_with(3)", "sys.exit(5)"), 5, ""),
    ],
)
def test_other_ends_are_as_usual(program: str, code: int, said: str, tmp_path: Path) -> None:
    found = ended(program, tmp_path)
    assert found.returncode == code
    assert said in found.stderr


def test_a_full_disk_is_an_error(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("needs /dev/full of Linux")
    program = "from sitenet.lifetime import leave_with\nprint('lost')\nleave_with(0)"
    with full.open("w") as out:
        command = [sys.executable, "-c", program]
        assert subprocess.run(command, cwd=tmp_path, stdout=out, timeout=60).returncode == 1


def test_garbage_is_looked_for_again_after_loading() -> None:
    begin_loading()
    assert not gc.isenabled()
    end_loading()
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0
    gc.unfreeze()
