"""Which GPUs processes side by side take; the GPUs are pretended."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

CHILD = """
import os, sys
from sitenet.gpus import take_gpus
take_gpus(count=int(sys.argv[1]), present=int(sys.argv[2]))
print(os.environ.get("CUDA_VISIBLE_DEVICES", "all"), flush=True)
sys.stdin.read()
"""
Taker = Callable[..., tuple[str, Callable[[], object]]]


@pytest.fixture
def taker(tmp_path: Path) -> Iterator[Taker]:
    """Starts a process that takes GPUs: what it sees then, and a function that ends it."""
    started = []

    def take(count: int, present: int, given: str | None = None) -> tuple[str, Callable]:
        environment = {**os.environ, "TMPDIR": str(tmp_path)}
        environment.pop("CUDA_VISIBLE_DEVICES", None)
        if given is not None:
            environment["CUDA_VISIBLE_DEVICES"] = given
        process = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(count), str(present)], env=environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        started.append(process)
        return process.stdout.readline().strip(), process.communicate

    yield take
    for process in started:
        process.communicate()


def test_processes_take_free_gpus_first_and_give_them_back(taker: Taker) -> None:
    first, end_first = taker(1, 2)
    second, _ = taker(1, 2)
    assert [first, second] == ["0", "1"]
    assert taker(1, 2)[0] == "0"  # nothing is free: shared
    assert taker(1, 2)[0] == "1"
    end_first()
    assert taker(1, 2)[0] == "0"


def test_several_gpus_of_one_process(taker: Taker) -> None:
    assert taker(1, 4)[0] == "0"
    assert taker(2, 4)[0] == "1,2"
    assert taker(2, 4)[0] == "3,0"


def test_only_gpus_that_the_process_was_given(taker: Taker) -> None:
    assert taker(1, 2, given="5,GPU-ab/1")[0] == "5"
    assert taker(1, 2, given="5,GPU-ab/1")[0] == "GPU-ab/1"


@pytest.mark.parametrize("given", ["3", None])
def test_all_that_are_there_are_left_as_they_are(taker: Taker, given: str | None) -> None:
    """A job of Slurm sees its own GPUs only, and calls them 0, 1, ... like every other job."""
    assert taker(1, 1, given=given)[0] == taker(1, 1, given=given)[0] == (given or "all")
