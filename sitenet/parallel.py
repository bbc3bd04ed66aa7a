"""Work distributed over processes, with results in order."""

import multiprocessing
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from itertools import islice
from threading import Thread
from types import ModuleType
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def chunked(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of `size` consecutive items; the last one may be shorter."""
    waiting = iter(items)
    while chunk := list(islice(waiting, size)):
        yield chunk


def ordered_map(
    work: Callable[[Item], Result], items: Iterable[Item], workers: int
) -> Iterator[Result]:
    """Yield `work(item)` for each item in order, lazily, with at most 4 pending items per worker.

    With one worker the work is done in this process. Otherwise `work` must be importable from a
    module other than the main script, which new processes do not run.
    """
    if workers <= 1:
        yield from map(work, items)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=end_with_parent)
    try:
        waiting = iter(items)
        pending: deque[Future[Result]] = deque()
        while True:
            for item in islice(waiting, 4 * workers - len(pending)):
                with no_main_script():
                    pending.append(pool.submit(work, item))
            if not pending:
                return
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


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
