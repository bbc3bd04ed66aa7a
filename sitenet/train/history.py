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
    """One row per epoch, judged by the column val_`judged`: the lower, the better.

    Without validation crystals (`validated`) the last epoch is the best.
    """

    def __init__(self, judged: str, rows: Sequence[Row] = (), validated: bool = True) -> None:
        self.judged, self.rows, self.validated = judged, list(rows), validated

    def measure(self, row: Row) -> float:
        """The measure that epochs are judged by."""
        return row[f"{'val' if self.validated else 'train'}_{self.judged}"]

    def best(self) -> Row:
        """The row of the best epoch (the first of equals)."""
        return min(self.rows, key=self.measure) if self.validated else self.rows[-1]

    def finished(self, max_epochs: int, patience: int) -> bool:
        """Whether training ends here.

        It does after `max_epochs`, after `patience` epochs without a better one, or when the
        measure is not finite.
        """
        if not self.rows:
            return False
        waited = len(self.rows) - self.best()["epoch"]
        diverged = not math.isfinite(self.measure(self.rows[-1]))
        return len(self.rows) >= max_epochs or waited >= patience or diverged


class Report:
    """Rewrites the table `path` after each epoch and logs a line at most every `interval` seconds.

    The line has the means of the judged measure, called `title`.
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
        now, row = time.monotonic(), history.rows[-1]
        if now - self._last_line < self.interval and row["epoch"] < self.max_epochs:
            return
        self._last_line = now
        recent = [r["seconds"] for r in history.rows[-5:]]
        left = (self.max_epochs - row["epoch"]) * sum(recent) / len(recent)
        found = f"train {row[f'train_{history.judged}']:.4g}"
        if history.validated:
            best = history.best()
            found += (
                f", validation {history.measure(row):.4g} (best {history.measure(best):.4g} at "
                f"{best['epoch']})"
            )
        log.info(
            f"{self.label}: epoch {row['epoch']}/{self.max_epochs}, {self.title} {found}, "
            f"{row['structures_per_second']:.3g} crystals/s, at most {duration(left)} left"
        )
