"""The epochs of a training: which was the best, when to stop, a table and a log line of each."""

import math
import time
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from sitenet.progress import duration, log
from sitenet.tables import write_table

Row = dict[str, float]


class History:
    """One row per epoch, judged by the column val_`judged`: the lower, the better."""

    def __init__(self, judged: str, rows: Sequence[Row] = ()) -> None:
        self.judged, self.rows = judged, list(rows)

    def validation(self, row: Row) -> float:
        """The measure that epochs are judged by."""
        return row[f"val_{self.judged}"]

    def best(self) -> Row:
        """The row of the best epoch (the first of equals)."""
        return min(self.rows, key=self.validation)

    def finished(self, max_epochs: int, patience: int) -> bool:
        """Whether training ends here.

        It does after `max_epochs`, after `patience` epochs without a better one, or when the
        validation measure is not finite.
        """
        if not self.rows:
            return False
        waited = len(self.rows) - self.best()["epoch"]
        diverged = not math.isfinite(self.validation(self.rows[-1]))
        return len(self.rows) >= max_epochs or waited >= patience or diverged


class Report:
    """Rewrites the table `path` after each epoch and logs a line at most every `interval` seconds.

    The line has train and validation means of the judged measure, called `title`.
    """

    def __init__(
        self, path: Path, label: str, title: str, max_epochs: int, interval: float = 10.0
    ) -> None:
        self.path, self.label, self.title = path, label, title
        self.max_epochs, self.interval = max_epochs, interval
        self._last_line = time.monotonic()

    def __call__(self, history: History) -> None:
        """Report the last epoch of `history`."""
        write_table(self.path, pd.DataFrame(history.rows))
        now, row, best = time.monotonic(), history.rows[-1], history.best()
        if now - self._last_line < self.interval and row["epoch"] < self.max_epochs:
            return
        self._last_line = now
        recent = [r["seconds"] for r in history.rows[-5:]]
        left = (self.max_epochs - row["epoch"]) * sum(recent) / len(recent)
        log.info(
            f"{self.label}: epoch {row['epoch']}/{self.max_epochs}, {self.title} train "
            f"{row[f'train_{history.judged}']:.4g}, validation {history.validation(row):.4g} (best "
            f"{history.validation(best):.4g} at {best['epoch']}), "
            f"{row['structures_per_second']:.3g} crystals/s, at most {duration(left)} left"
        )
