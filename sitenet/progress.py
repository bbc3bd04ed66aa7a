"""Logging to the terminal and a file, and progress messages with rates and remaining time."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

log = logging.getLogger("sitenet")

Item = TypeVar("Item")


def setup_logging(log_path: str | Path | None = None, append: bool = False) -> None:
    """Log to the terminal and, if given, with timestamps to the file `log_path`.

    An existing file is replaced, or continued with `append`.
    """
    log.setLevel(logging.INFO)
    log.propagate = False
    log.handlers.clear()
    terminal = logging.StreamHandler(sys.stderr)
    terminal.setFormatter(logging.Formatter("%(message)s"))
    log.addHandler(terminal)
    if log_path is not None:
        Path(log_path).parent.mkdir(parents=True, exist_ok=True)
        if not append:
            Path(log_path).write_text("")
        # Always opened for appending: processes that share a log would overwrite their lines.
        file = logging.FileHandler(log_path, mode="a")
        file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        log.addHandler(file)


def log_file() -> Path | None:
    """The file that messages are logged to."""
    files = [h.baseFilename for h in log.handlers if isinstance(h, logging.FileHandler)]
    return Path(files[0]) if files else None


def duration(seconds: float) -> str:
    """`seconds` as h:mm:ss or m:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class Progress:
    """Counts finished items of `total`; logs count, rate and remaining time every few seconds.

    A total of 0 means that it is not known; then no remaining time is logged. `unit` is a plural;
    the s of its first word is left out for a single item. Lines are used rather than progress bars
    because several jobs share the terminal, and because they are kept in logs.
    """

    def __init__(self, total: int, label: str, unit: str, interval: float = 10.0) -> None:
        self.total, self.label, self.unit, self.interval = total, label, unit, interval
        self.done = 0
        self.start = self.last = time.monotonic()

    @property
    def rate(self) -> float:
        """Items per second since the start."""
        return self.done / max(time.monotonic() - self.start, 1e-9)

    def advance(self, count: int = 1) -> None:
        """Count `count` more items; log a line if `interval` seconds have passed."""
        self.done += count
        now = time.monotonic()
        if now - self.last < self.interval or self.done == self.total:
            return
        self.last = now
        if self.done > self.total:
            log.info(f"{self.label}: {self.done:,} {self.unit}, {self.rate:.3g}/s")
            return
        left = duration((self.total - self.done) / self.rate)
        log.info(
            f"{self.label}: {self.done:,}/{self.total:,} {self.unit} "
            f"({self.done / self.total:.0%}), {self.rate:.3g}/s, {left} left"
        )

    def counting(self, items: Iterable[Item]) -> Iterator[Item]:
        """The same items, each counted when it is drawn."""
        for item in items:
            self.advance()
            yield item

    def finish(self) -> None:
        """Log the final count, time and mean rate."""
        elapsed = duration(time.monotonic() - self.start)
        first, *rest = self.unit.split()
        unit = " ".join([first.removesuffix("s"), *rest]) if self.done == 1 else self.unit
        log.info(f"{self.label}: {self.done:,} {unit} in {elapsed} ({self.rate:.3g}/s)")
