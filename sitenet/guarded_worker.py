"""One process that works on items, as `sitenet.guard` uses it: both of its sides."""

import math
import multiprocessing
import os
import pickle
import resource
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Event, Lock
from typing import Any, NamedTuple

from sitenet.parallel import end_with_parent, no_main_script
from sitenet.progress import log

CLOCK = 5.0
"""The limit by the clock in units of the limit of processor time: machines may be shared."""

TOLD_AFTER = 5.0
"""Seconds after which an item in work is named in the log."""

FLUSH = 0.2
"""Seconds after which a process sends what is finished, before its chunk is."""

WATCH = 0.25
"""Seconds between two looks at a process."""

ATTEMPTS = 2
"""Times that an item may end its process, which the system may also have done for others' needs."""

LONGEST = 300
"""Characters of an exception's text."""

GIB = 2**30

_CONTEXT = multiprocessing.get_context("forkserver")
_STARTING = Lock()

Expected = type[Exception] | tuple[type[Exception], ...]


@dataclass(frozen=True)
class Failure:
    """Why there is no result, and whether that was expected of `work`."""

    reason: str
    expected: bool = False


class Task(NamedTuple):
    """An item, its name, its place in the order, and how often it has ended its process."""

    number: int
    name: str
    item: Any
    deaths: int = 0


class Job(NamedTuple):
    """What processes do, and their limits."""

    work: Callable[[Any], Any]
    seconds: float
    memory_gib: float
    expected: Expected


Outcome = tuple[Task, Any]
"""A task with its result or `Failure`."""


class GuardedWorker:
    """Context manager: a process for a `Job`, replaced when it ends or has to be ended."""

    def __init__(self, job: Job, stopped: Event) -> None:
        self._job, self._stopped = job, stopped
        self._state = _CONTEXT.RawArray("d", 2)
        self._process: Any = None
        self._overdue = -1

    def __enter__(self) -> "GuardedWorker":
        return self

    def __exit__(self, *_: Any) -> None:
        self._end()

    def do(self, tasks: Sequence[Task]) -> Iterator[Outcome]:
        """Yield each task with its result or failure, in any order; none once `stopped` is set."""
        waiting = [list(tasks)]
        while waiting and not self._stopped.is_set():
            chunk = waiting.pop()
            done = 0
            for outcome in self._attempt(chunk):
                done += 1
                yield outcome
            left = chunk[done:]
            if not left or self._stopped.is_set():
                continue
            position, reason = self._ended()
            if position < 0:  # ended before it began one of them: try them one by one
                if len(left) > 1:
                    waiting += [[task] for task in reversed(left)]
                    continue
                position = done
            guilty = chunk[position]
            if rest := chunk[done:position] + chunk[position + 1 :]:
                waiting.append(rest)
            if reason.final or guilty.deaths + 1 == ATTEMPTS:
                yield _told(guilty, Failure(reason.text))
            else:
                waiting.append([guilty._replace(deaths=guilty.deaths + 1)])

    def _attempt(self, chunk: list[Task]) -> Iterator[Outcome]:
        """Outcomes of the first tasks; all, unless the process ends."""
        self._state[0] = self._overdue = -1
        done = 0
        with suppress(EOFError, ConnectionError):
            if self._process is None:
                self._start()
            self._connection.send_bytes(pickle.dumps([task.item for task in chunk]))
            while done < len(chunk):
                self._watch(chunk)
                for packed in pickle.loads(self._connection.recv_bytes()):
                    yield _told(chunk[done], pickle.loads(packed))
                    done += 1

    def _watch(self, chunk: list[Task]) -> None:
        """Wait for a message. Raises EOFError if the process was ended here."""
        told = -1
        told_at = TOLD_AFTER
        while not self._connection.poll(WATCH):
            if self._stopped.is_set():
                raise EOFError
            position, since = int(self._state[0]), time.monotonic() - self._state[1]
            if position < 0 or position != int(self._state[0]):
                continue
            if position != told:
                told, told_at = position, TOLD_AFTER
            if since >= CLOCK * self._job.seconds:
                self._overdue = position
                self._process.kill()
                raise EOFError
            if since >= told_at:
                log.info(f"{chunk[position].name} has been in work for {since:.0f} s")
                told_at *= 2

    def _start(self) -> None:
        """Start a process and wait until it can work. Raises RuntimeError if it cannot."""
        with _STARTING:
            _start_server(self._job.work)
            self._connection, other = _CONTEXT.Pipe()
            self._process = _CONTEXT.Process(
                target=_serve, args=(other, self._state, pickle.dumps(self._job)), daemon=True
            )
            with no_main_script():
                self._process.start()
            other.close()
        try:
            self._connection.recv_bytes()
        except (EOFError, ConnectionError):
            self._process.join()
            raise RuntimeError(
                f"a process {_exit(self._process.exitcode)} before it started to work"
            ) from None

    def _ended(self) -> "tuple[int, _Reason]":
        """Position of the task that the process was working on (-1: none), and why it ended."""
        self._process.join()
        code, position = self._process.exitcode, int(self._state[0])
        self._end()
        if self._overdue >= 0:
            limit = CLOCK * self._job.seconds
            return self._overdue, _Reason(f"it takes more than {limit:g} s", final=True)
        if code == -signal.SIGXCPU:
            return position, _Reason(
                f"it takes more than {self._job.seconds:g} s of processor time", final=True
            )
        return position, _Reason(f"the process {_exit(code)} while working on it")

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process.close()
            self._connection.close()
            self._process = None


class _Reason(NamedTuple):
    text: str
    final: bool = False


def _told(task: Task, result: Any) -> Outcome:
    """Both, after a line in the log if `result` is a failure that was not expected."""
    if isinstance(result, Failure) and not result.expected:
        log.warning(f"{task.name}: {result.reason}")
    return task, result


def _exit(code: int | None) -> str:
    if code is None or code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else "unknown"
    return f"ended with signal {-code} ({name})"


def _start_server(work: Callable[[Any], Any]) -> None:
    """Start the process that the others are forked from, unless it runs.

    It imports the module of `work` first, so that the others start in milliseconds. It has no
    threads, which makes forking it safe: numerical libraries are told to use a single one.
    """
    while isinstance(work, partial):
        work = work.func
    changed = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    changed["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    before = {name: os.environ.get(name) for name in changed}
    os.environ.update(changed)
    try:
        _CONTEXT.set_forkserver_preload([__name__, work.__module__])
        with no_main_script():
            forkserver.ensure_running()
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _serve(connection: Connection, state: Any, packed: bytes) -> None:
    """The process: receive chunks of items, send results, and say in `state` what is in work.

    state: position in the chunk (-1: none) and the time at which work on it began.
    """
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is told, and ends this process
    warnings.simplefilter("ignore")  # a result or a reason comes back instead
    job: Job = pickle.loads(packed)
    _set_limit(resource.RLIMIT_CORE, 0)
    _limit_memory(job.memory_gib)
    connection.send_bytes(b"ready")
    with suppress(EOFError):
        while True:
            items = pickle.loads(connection.recv_bytes())
            finished, sent = [], time.monotonic()
            for position, item in enumerate(items):
                state[1] = time.monotonic()
                state[0] = position
                _set_limit(resource.RLIMIT_CPU, math.ceil(time.process_time() + job.seconds))
                finished.append(_packed(job, item))
                if time.monotonic() - sent > FLUSH:
                    connection.send(finished)
                    finished, sent = [], time.monotonic()
            state[0] = -1
            _set_limit(resource.RLIMIT_CPU, resource.RLIM_INFINITY)
            if finished:
                connection.send(finished)


def _packed(job: Job, item: Any) -> bytes:
    """The pickled result or `Failure`."""
    try:
        return pickle.dumps(job.work(item), pickle.HIGHEST_PROTOCOL)
    except job.expected as error:
        failure = Failure(str(error), expected=True)
    except MemoryError:
        failure = Failure(f"it takes more than {job.memory_gib:g} GiB of memory")
    except (Exception, SystemExit) as error:
        text = " ".join(str(error).split())[:LONGEST]
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}, line {place.lineno}"
        failure = Failure(f"{type(error).__name__}: {text} ({where})")
    return pickle.dumps(failure)


def _limit_memory(gib: float) -> None:
    """Let allocations beyond `gib` fail, where the system tells how much there are so far."""
    with suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        _set_limit(resource.RLIMIT_AS, pages * resource.getpagesize() + int(gib * GIB))


def _set_limit(kind: int, value: int) -> None:
    """Set a soft limit of this process, within its hard one."""
    hard = resource.getrlimit(kind)[1]
    within = value if hard == resource.RLIM_INFINITY else min(value, hard)
    if value == resource.RLIM_INFINITY:
        within = hard
    resource.setrlimit(kind, (within, hard))
