"""Counts of rejected crystals by reason, and the limit on their fraction."""

import re
from collections import Counter
from pathlib import Path

from sitenet.options.datasets import SourceSettings
from sitenet.progress import log
from sitenet.sources.record_checks import CheckedRecords
from sitenet.sources.records import NO_CRYSTAL, SourceError

_DETAIL = re.compile(
    r"""(?<![^\s(])                                      # a word
        (?!UTF-8|[AZ]\b)
        ([A-Z][a-z]? | [^\s,;:)]*\d[^\s,;:)]*)          # that is a symbol or has a digit
        (?![^\s,;:)])""",
    re.VERBOSE,
)


class TooManyRejected(SourceError):
    """The fraction of rejected crystals exceeds the limit of the configuration."""


def too_many_rejected(
    dataset: str, part: str, reasons: Counter[str], offered: int, allowed: float, listing: Path
) -> TooManyRejected:
    """The error for `reasons.total()` rejections among `offered` crystals, with what to do next.

    `part` says which part of the data set they are from (empty for all of it); `allowed` is the
    largest permitted fraction and `listing` the file that lists the rejections.
    """
    key = f"datasets.{dataset}.max_rejected_fraction"
    return TooManyRejected(
        f"{reasons.total():,} of {offered:,} crystals of {dataset}{part} are rejected "
        f"({reasons.total() / offered:.1%}; {key} allows {allowed:.1%}). "
        f"Most common reasons: {most_common(reasons)}. All are listed in {listing}. "
        f"Correct the source or raise {key}."
    )


def most_common(reasons: Counter[str]) -> str:
    """The three most common reasons with their counts."""
    return "; ".join(f"{n:,} x {reason}" for reason, n in reasons.most_common(3))


def failed_list(rejected: Path) -> Path:
    """Where the list is kept if the limit is exceeded: Snakemake deletes a failed job's outputs."""
    return rejected.with_name(f"{rejected.stem}-too-many{rejected.suffix}")


class Tally:
    """Counts of usable and rejected crystals, of notes, and of what is no crystal."""

    def __init__(self) -> None:
        self.usable = 0
        self.reasons: Counter[str] = Counter()
        self.notes: Counter[str] = Counter()
        self.noted = 0
        self.others: Counter[str] = Counter()

    def add(self, chunk: CheckedRecords) -> None:
        """Count the records of a chunk."""
        self.usable += len(chunk.usable)
        for rejection in chunk.rejected:
            counts = self.others if rejection.kind == NO_CRYSTAL else self.reasons
            counts[_without_details(rejection.reason)] += 1
        self.noted += len(chunk.noted)
        for note in chunk.noted:
            self.notes.update({_without_details(one) for one in note.reason.split("; ")})

    @property
    def offered(self) -> int:
        """Usable and rejected crystals, without what is no crystal."""
        return self.usable + self.reasons.total()

    def check_limit(self, settings: SourceSettings, rejected: Path) -> None:
        """Log the counts; raise TooManyRejected or SourceError as described in `collect`."""
        count = self.reasons.total()
        if self.others:
            log.info(
                f"{settings.dataset}: not counted as crystals: {self.others.total():,} "
                f"({most_common(self.others)}; see {rejected})"
            )
        if self.offered == 0:
            raise SourceError(f"the source of {settings.dataset} offers no crystals")
        failed_list(rejected).unlink(missing_ok=True)
        if count / self.offered > settings.max_rejected_fraction or not self.usable:
            kept = rejected.replace(failed_list(rejected))
            raise too_many_rejected(settings.dataset, "", self.reasons, self.offered,
                                    settings.max_rejected_fraction, kept)  # fmt: skip
        log.info(
            f"{settings.dataset}: {self.usable:,} crystals usable, {count:,} rejected"
            + (f" ({most_common(self.reasons)}; see {rejected})" if count else "")
        )
        if self.noted:
            log.warning(
                f"{settings.dataset}: {self.noted:,} usable crystals were changed in reading or "
                f"contradict their CIF ({most_common(self.notes)}; see {rejected})"
            )


def _without_details(reason: str) -> str:
    """A reason with numbers, symbols and labels replaced by an ellipsis, for counting."""
    return re.sub(r"…(?:[ ,]*…)+", "…", re.sub(_DETAIL, "…", reason))
