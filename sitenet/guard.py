"""Work on items that may hang, crash or run out of memory, in processes that can be killed.

Neither joblib nor `concurrent.futures` can end one task and keep the others, and C code such as
spglib's cannot be interrupted from within its process. Here every process works on one item at a
time and says which; a thread of this process feeds it, watches it, and replaces it if it ends.
"""

import queue
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any, TypeVar

from sitenet.guarded_worker import Failure, GuardedWorker, Job, Task
from sitenet.parallel import chunked

Item = TypeVar("Item")
Result = TypeVar("Result")

SECONDS = 20.0
MEMORY_GIB = 4.0
AHEAD = 3
"""Chunks for each process that are read before they are needed."""

__all__ = ["Failure", "check_accounts", "guarded_map"]


def guarded_map(
    work: Callable[[Item], Result],
    items: Iterable[tuple[str, Item]],
    workers: int = 1,
    seconds: float = SECONDS,
    memory_gib: float = MEMORY_GIB,
    expected: type[Exception] | tuple[type[Exception], ...] = (),
    chunk: int = 16,
) -> Iterator[tuple[str, Result | Failure]]:
    """Yield name and `work(item)`, or why it failed, for each (name, item), in order and lazily.

    Whatever happens in `work` ends at most this one item: an exception of any class, no memory, a
    crash of the process, which is tried a second time by itself, or the limit of time. Items in
    work for more than 5 s, and those that fail in a way that is not `expected`, are named in the
    log. Every name is yielded once.

    Args:
        work: importable from a module other than the main script, or a `functools.partial` of such.
        items: names, for messages, and arguments of `work`.
        workers: processes, even if it is only one: an item must be able to end its process.
        seconds: of processor time for an item, or five times as much by the clock.
        memory_gib: that a process may allocate beyond what it has when it starts (Linux only).
        expected: exceptions whose text is the reason; any other is told with its class.
        chunk: items sent to a process at a time; fewer if they take long.

    Raises:
        RuntimeError: processes end before they start to work.
    """
    job = Job(work, seconds, memory_gib, expected)
    pool = _Pool(job, max(workers, 1))
    numbered = (Task(number, *pair) for number, pair in enumerate(items))
    pending = _Ordered(pool.outcomes)
    try:
        for tasks in chunked(numbered, chunk):
            pool.put(tasks)
            while pool.is_full(pending.first):
                yield from pending.next()
        pool.close()
        while pending.first < pool.accepted:
            yield from pending.next()
    finally:
        pool.stop()


def check_accounts(what: str, offered: int, kept: int, rejected: int) -> None:
    """Raise AssertionError unless every crystal that was offered is kept or rejected."""
    if offered != kept + rejected:
        raise AssertionError(
            f"{what}: {offered:,} crystals became {kept:,} and {rejected:,} rejected ones; this is "
            "a fault of the program, please report it"
        )


@dataclass(frozen=True)
class _Broken:
    """The end of a thread that cannot work."""

    error: BaseException


class _Ordered:
    """Outcomes in the order of the tasks, from a queue in which they are in any order."""

    def __init__(self, outcomes: "queue.Queue[Any]") -> None:
        self.outcomes = outcomes
        self.early: dict[int, tuple[str, Any]] = {}
        self.first = 0

    def next(self) -> Iterator[tuple[str, Any]]:
        """Wait for an outcome; all outcomes that are next in order."""
        found = self.outcomes.get()
        if isinstance(found, _Broken):
            raise found.error
        number, outcome = found
        self.early[number] = outcome
        while self.first in self.early:
            yield self.early.pop(self.first)
            self.first += 1


class _Pool:
    """Threads with a process each, which take chunks of tasks from one queue."""

    def __init__(self, job: Job, workers: int) -> None:
        self.outcomes: queue.Queue[Any] = queue.Queue()
        self.accepted = 0
        self._job, self._workers = job, workers
        self._chunks: queue.Queue[list[Task] | None] = queue.Queue()
        self._window = 0
        self._stopped = Event()
        self._threads: list[Thread] = []

    def put(self, tasks: list[Task]) -> None:
        """Add a chunk; processes are started as they are needed."""
        self.accepted += len(tasks)
        self._window = max(self._window, len(tasks) * AHEAD * self._workers)
        self._chunks.put(tasks)
        if len(self._threads) < self._workers:
            self._threads.append(Thread(target=self._serve, daemon=True))
            self._threads[-1].start()

    def is_full(self, finished: int) -> bool:
        """Whether enough tasks are waiting or in work."""
        return self.accepted - finished >= self._window

    def close(self) -> None:
        """Tell the processes that there are no more tasks."""
        for _ in self._threads:
            self._chunks.put(None)

    def stop(self) -> None:
        """End all processes."""
        self._stopped.set()
        self.close()
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        try:
            with GuardedWorker(self._job, self._stopped) as worker:
                while (tasks := self._chunks.get()) is not None and not self._stopped.is_set():
                    for task, outcome in worker.do(tasks):
                        self.outcomes.put((task.number, (task.name, outcome)))
        except BaseException as error:
            self.outcomes.put(_Broken(error))
