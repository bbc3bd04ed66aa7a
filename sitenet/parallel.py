"""Work distributed over processes, with results in order."""

import multiprocessing
import os
import signal
import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from itertools import islice
from threading import Thread
from types import ModuleType
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def chunked(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of `size` consecutive items; the last one may be shorter."""
    waiting = iter(items)
    while chunk := list(islice(waiting, size)):
        yield chunk


def ordered_map(
    work: Callable[[Item], Result], items: Iterable[Item], workers: int, fork: bool = False
) -> Iterator[Result]:
    """Yield `work(item)` for each item in order, lazily, with at most 4 pending items per worker.

    With one worker the work is done in this process. Otherwise `work` must be importable from a
    module other than the main script, which new processes do not run.

    Args:
        fork: processes are copies of this one, and share in memory what it has imported and read,
            where forking is safe (Linux); `work`, which may hold a whole data set, is not sent to
            them. For callers that have not yet computed on several threads.
    """
    if workers <= 1:
        yield from map(work, items)
        return
    task: Callable[[Item], Result] = work
    if fork and sys.platform == "linux":
        context = multiprocessing.get_context("fork")
        pool = ProcessPoolExecutor(workers, context, _start_forked, (work,))
        task = _inherited_work
    else:
        pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), end_with_parent)
    try:
        waiting = iter(items)
        pending: deque[Future[Result]] = deque()
        while True:
            for item in islice(waiting, 4 * workers - len(pending)):
                with no_main_script(), warnings.catch_warnings():
                    # Threads of the caller, such as one that waits for the end of its parent.
                    warnings.filterwarnings("ignore", "This process .* multi-threaded")
                    pending.append(pool.submit(task, item))
            if not pending:
                return
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


_inherited: Callable[[Any], Any]
"""The work of this forked process."""


def _inherited_work(item: Any) -> Any:
    return _inherited(item)


def _start_forked(work: Callable[[Any], Any]) -> None:
    """Take over the work; leave signals to the parent, whose handlers a copy of it has too."""
    global _inherited
    _inherited = work
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    end_with_parent()


def end_with_parent() -> None:
    """Let this process end with its parent; those of a killed job would otherwise wait forever."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    Thread(target=watch, daemon=True).start()


@contextmanager
def no_main_script() -> Iterator[None]:
    """Hide the main script from new processes, which would otherwise import it.

    Scripts of the workflow have no `if __name__ == "__main__"` and would run again in each process.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
