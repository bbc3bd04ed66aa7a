"""Trials of changed copies of the project: does a test notice?

Each worker has a copy of the repository and the large libraries in memory; every trial is a fork of
it, which imports the changed package anew and runs the tests until the first that fails.
"""

import multiprocessing
import os
import queue
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

from tests_of import ROOT

MEMORY = 12 * 2**30
"""Bytes of address space of a trial: a mutant may ask for any amount."""


@dataclass(frozen=True)
class Trial:
    """`file` (relative to the repository) as `source`, under the given test files."""

    key: str
    file: str
    source: bytes
    tests: tuple[str, ...]
    limit: float


@dataclass(frozen=True)
class Outcome:
    """`by` is the test that noticed, "time" for a trial beyond its limit, "" if none did."""

    key: str
    by: str
    seconds: float


def outcomes(trials: Sequence[Trial], workers: int) -> Iterator[Outcome]:
    """Try all in parallel processes; outcomes in the order in which they are known.

    Raises RuntimeError if a worker dies.
    """
    context = multiprocessing.get_context("spawn")
    tasks, done = context.Queue(), context.Queue()
    tasks.cancel_join_thread()  # else the end would wait for workers that are no more
    for trial in trials:
        tasks.put(trial)
    with tempfile.TemporaryDirectory(prefix="mutants-") as root:
        crew = [
            context.Process(target=_work, args=(tasks, done, Path(root, str(k))))
            for k in range(min(workers, len(trials)))
        ]
        for process in crew:
            process.start()
        try:
            for _ in trials:
                yield _next(done, crew)
        finally:
            for process in crew:
                process.kill()
                process.join()


def _next(done: Any, crew: Sequence[Any]) -> Outcome:
    """The next outcome. Raises RuntimeError if a worker has died."""
    while True:
        try:
            return done.get(timeout=5)
        except queue.Empty:
            if any(process.exitcode for process in crew):
                raise RuntimeError("a worker has died; its message is above") from None


def _work(tasks: Any, done: Any, folder: Path) -> None:
    """One worker, with a copy of the project in `folder`, until it is killed or its parent ends."""
    parent = os.getppid()
    copy_project(folder)
    _load_libraries()
    while os.getppid() == parent:
        with suppress(queue.Empty):
            done.put(attempt(folder, tasks.get(timeout=5)))


def copy_project(folder: Path) -> None:
    """Copy the repository's files, tracked or not, without those that git ignores."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True, text=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def _load_libraries() -> None:
    """Import what nearly all tests need, and nothing of this project."""
    import hypothesis  # noqa: F401
    import matplotlib.pyplot  # noqa: F401
    import pandas  # noqa: F401
    import pyarrow.parquet  # noqa: F401
    import pymatgen.core  # noqa: F401
    import pytest  # noqa: F401
    import safetensors.torch  # noqa: F401
    import scipy.stats  # noqa: F401
    import sklearn.neural_network  # noqa: F401
    import spglib  # noqa: F401
    import torch  # noqa: F401


def attempt(folder: Path, trial: Trial) -> Outcome:
    """Run the tests on the changed copy, which is restored afterwards."""
    file, report = folder / trial.file, folder / ".failed"
    original = file.read_bytes()
    file.write_bytes(trial.source)
    report.unlink(missing_ok=True)
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        _run_tests(folder, trial.tests, report)
    try:
        in_time = _wait(child, start + trial.limit)
    finally:
        _end(child)
        file.write_bytes(original)
    seconds = time.monotonic() - start
    if not in_time:
        return Outcome(trial.key, "time", seconds)
    by = report.read_text().strip() if report.exists() else "crash"
    return Outcome(trial.key, by, seconds)


def _end(leader: int) -> None:
    """End the process group of a trial, if it is still there."""
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def _end_with(parent: int) -> None:
    """End this process with its parent."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _wait(child: int, deadline: float) -> bool:
    """Whether the child ended by itself before the deadline; it has ended in any case."""
    while time.monotonic() < deadline:
        if os.waitpid(child, os.WNOHANG)[0]:
            return True
        time.sleep(0.02)
    _end(child)
    os.waitpid(child, 0)
    return False


def _run_tests(folder: Path, tests: Sequence[str], report: Path) -> None:
    """In the fork: run pytest until the first failure, write its name to `report`, and end."""
    Thread(target=_end_with, args=[os.getppid()], daemon=True).start()
    os.setsid()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    os.chdir(folder)
    silence = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(silence, stream)
    # No byte code: its check by time and size would take one mutant for another.
    sys.dont_write_bytecode = True
    own = Path(__file__).resolve().parent
    sys.path = [str(folder), *(p for p in sys.path if p and Path(p).resolve() not in (own, ROOT))]
    os.environ |= {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    os.environ.setdefault("SITENET_SHARED", str(ROOT.parent / "shared"))
    import pytest

    class Failed:
        """Keeps the name of the first test that fails."""

        name = ""

        def pytest_runtest_logreport(self, report: Any) -> None:
            if report.failed:
                self.name = self.name or report.nodeid

        def pytest_collectreport(self, report: Any) -> None:
            if report.failed:
                self.name = self.name or f"{report.nodeid} (import)"

    failed = Failed()
    options = ["-x", "-q", "-p", "no:cacheprovider", "--hypothesis-seed=0"]
    for test in tests:  # one by one: a mutant that the first notices loads no others
        try:
            code = int(pytest.main([*options, test], plugins=[failed]))
        except BaseException:
            os._exit(1)  # without a report: a crash
        if code:
            failed.name = failed.name or f"{test} (exit code {code})"
            break
    report.write_text(failed.name)
    os._exit(0)
