"""One item that hangs or crashes is told by name; all others are done, in order."""

import os
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest
from hostile import Refused, do

from sitenet import guarded_worker
from sitenet.guard import Failure, check_accounts, guarded_map

FATES = {
    "refused": "no good",
    "error": "KeyError: 'what\\nis this'",
    "recursion": "RecursionError: ",
    "overflow": "OverflowError: ",
    "memory": "it takes more than 4 GiB of memory",
    "crash": "the process ended with signal 11 (SIGSEGV) while working on it",
    "kill": "the process ended with signal 9 (SIGKILL) while working on it",
    "exit": "the process ended with exit code 3 while working on it",
    "sys.exit": "SystemExit: 2",
    "unpicklable": "AttributeError: ",
}


def outcomes(
    items: list[str], workers: int = 1, **limits: float
) -> list[tuple[str, str | Failure]]:
    named = [(f"id-{item}", item) for item in items]
    return list(guarded_map(do, named, workers, expected=Refused, **limits))


@pytest.mark.parametrize("workers", [1, 3])
def test_each_item_has_one_outcome_in_order(workers: int) -> None:
    items = [item for k, fate in enumerate(FATES) for item in (f"a{k}", fate, f"b{k}")]
    found = outcomes(items, workers)
    assert [name for name, _ in found] == [f"id-{item}" for item in items]
    for item, (_, one) in zip(items, found, strict=True):
        if item in FATES:
            assert isinstance(one, Failure)
            assert one.reason.startswith(FATES[item])
            assert one.expected == (item == "refused")
        else:
            assert one == item.upper()


@pytest.mark.parametrize("way", ["spin", "sleep", "deaf"])
def test_what_takes_too_long_is_named_and_ended(
    way: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(guarded_worker, "CLOCK", 1.0)
    monkeypatch.setattr(guarded_worker, "TOLD_AFTER", 0.3)
    caplog.set_level("INFO")
    (_, before), (_, found), (_, after) = outcomes(["a", way, "b"], seconds=1)
    assert (before, after) == ("A", "B")
    assert isinstance(found, Failure)
    assert found.reason.startswith("it takes more than 1 s")
    assert f"id-{way} has been in work for " in caplog.text
    assert f"id-{way}: it takes more than 1 s" in caplog.text


def test_the_limit_of_time_is_one_of_processor_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarded_worker, "CLOCK", 60.0)  # the machine may be busy
    ((_, found),) = outcomes(["spin"], seconds=1)
    assert isinstance(found, Failure)
    assert found.reason == "it takes more than 1 s of processor time"


def test_many_items_come_lazily_and_in_order() -> None:
    seen: list[int] = []

    def source():
        for k in range(3000):
            seen.append(k)
            yield str(k), str(k)

    results = guarded_map(do, source(), workers=2, chunk=10)
    assert next(results) == ("0", "0")
    assert len(seen) < 200
    assert [one for _, one in results] == [str(k) for k in range(1, 3000)]


def test_no_items_need_no_process() -> None:
    assert outcomes([]) == []


def test_an_error_of_the_source_comes_out() -> None:
    def source():
        yield "a", "a"
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(guarded_map(do, source()))


def test_processes_that_cannot_start_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("only_here")
    exec("def work(item): return item", module.__dict__)
    monkeypatch.setitem(sys.modules, "only_here", module)
    with pytest.raises(RuntimeError, match="before it started to work"):
        list(guarded_map(module.work, [("a", "a")]))


def test_accounts() -> None:
    check_accounts("reading", 3, 1, 2)
    with pytest.raises(AssertionError, match="reading: 3 crystals became 1 and 1 rejected"):
        check_accounts("reading", 3, 1, 1)


PROGRAM = """
import sys, time, multiprocessing
from sitenet.guard import guarded_map
for one in guarded_map(time.sleep, [("a", 0), ("b", 0), ("c", 300), ("d", 300)], 2, chunk=1):
    print(*(child.pid for child in multiprocessing.active_children()), flush=True)
"""


@pytest.mark.parametrize("signal", ["kill", "terminate"])
def test_no_process_is_left_behind(signal: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True
    ) as job:
        assert job.stdout is not None
        job.stdout.readline()
        workers = [int(pid) for pid in job.stdout.readline().split()]
        assert len(workers) == 2
        getattr(job, signal)()
    deadline = time.monotonic() + 20
    while any(is_running(pid) for pid in workers):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_caller_may_stop_early() -> None:
    results = guarded_map(do, ((item, item) for item in ["a", "sleep", "b"]), chunk=1)
    assert next(results) == ("a", "A")
    start = time.monotonic()
    results.close()
    assert time.monotonic() - start < 5


def test_scripts_are_not_run_by_the_processes(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from sitenet.guard import guarded_map\n"
        "print('started')\n"
        "print(sum(n for _, n in guarded_map(abs, ((str(k), -k) for k in range(20)), 2)))\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert done.stdout == "started\n190\n"


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
