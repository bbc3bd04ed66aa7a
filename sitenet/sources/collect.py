"""All that a source offers -> structures.parquet and rejected.csv."""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq

from sitenet.files import atomic_path
from sitenet.options.datasets import SourceSettings, Task
from sitenet.parallel import chunked, ordered_map
from sitenet.progress import Progress, log
from sitenet.sources.kinds import open_source
from sitenet.sources.records import RawRecord, Rejection, SourceError
from sitenet.sources.structure_table import (
    FIXED,
    ROW_GROUP,
    StructureRow,
    structure_schema,
    to_table,
)
from sitenet.structure.cif import read_cif
from sitenet.structure.formula import reduced_formula
from sitenet.structure.rejection import RejectedCrystal

CHUNK = 100
"""Records sent to a process at once."""

LONGEST_ID = 200

_PARTICULAR = re.compile(
    r"""(?<![^\s(])                                      # a word
        (?!UTF-8|[AZ]\b)
        ([A-Z][a-z]? | [^\s,;:)]*\d[^\s,;:)]*)          # that is a symbol or has a digit
        (?![^\s,;:)])""",
    re.VERBOSE,
)


class TooManyRejected(SourceError):
    """More of the crystals are unusable than the configuration allows."""


class Numbered(NamedTuple):
    """A record, its position in the source, and whether an earlier record has its id."""

    row: int
    record: RawRecord | Rejection
    repeated: bool


class Checked(NamedTuple):
    """What became of a chunk of records."""

    usable: list[StructureRow]
    unusable: list[Rejection]
    unlabelled: list[Rejection]
    """One for each usable crystal and task without a value."""
    large: int
    """How many were left out for their number of sites."""


def collect(settings: SourceSettings, structures: Path, rejected: Path, workers: int = 1) -> None:
    """Check everything the source offers; write what is usable and why the rest is not.

    The order is the source's, whatever the number of workers. A crystal is unusable if its id is
    not fit for use or repeated, its CIF is refused (`sitenet.structure.cif.read_cif`), or it has no
    finite value of any task. One that lacks the value of some tasks is kept and listed for them.
    The source's option `max_sites` leaves out larger cells, which is no rejection.

    Args:
        settings: of the source.
        structures: Parquet file to write (`sitenet.sources.structure_table`).
        rejected: CSV file to write: id, reason, where. When too many are rejected it is called
            `failed_list(rejected)`.
        workers: processes.

    Raises:
        TooManyRejected: the unusable are more than `settings.max_rejected_fraction` of all.
        SourceError: the source as a whole cannot be used, or nothing in it can.
    """
    records, total = open_source(settings)
    progress = Progress(total, f"reading {settings.dataset}", "crystals")
    check = partial(check_records, tasks=settings.tasks, max_sites=settings.source.get("max_sites"))
    chunks = ordered_map(check, _chunks(records), workers)
    tally = _Tally()
    with ExitStack() as stack:
        table = stack.enter_context(atomic_path(structures))
        with atomic_path(rejected) as listing, listing.open("w", newline="") as file:
            reasons = csv.writer(file)
            reasons.writerow(["id", "reason", "where"])
            writer = stack.enter_context(_Writer(table, settings.tasks))
            for chunk in chunks:
                writer.add(chunk.usable)
                reasons.writerows((r.id, r.reason, r.where) for r in _listed(chunk))
                tally.add(chunk)
                progress.advance(len(chunk.usable) + len(chunk.unusable) + chunk.large)
            writer.finish(progress.done)
        progress.finish()
        tally.judge(settings, rejected)


def too_many(
    dataset: str, part: str, reasons: Counter[str], offered: int, allowed: float, listing: Path
) -> TooManyRejected:
    """What to tell where the crystals rejected, of those `offered`, are more than `allowed`.

    `part`: of the data set that they are from, empty for all of it.
    """
    key = f"datasets.{dataset}.max_rejected_fraction"
    return TooManyRejected(
        f"{reasons.total():,} of {offered:,} crystals of {dataset}{part} are rejected "
        f"({reasons.total() / offered:.1%}; {key} allows {allowed:.1%}). "
        f"Commonest reasons: {commonest(reasons)}. All are listed in {listing}. "
        f"Correct the source or raise {key}."
    )


def commonest(reasons: Counter[str]) -> str:
    """The three commonest reasons with their numbers."""
    return "; ".join(f"{n:,} x {reason}" for reason, n in reasons.most_common(3))


def failed_list(rejected: Path) -> Path:
    """Where the list of rejections goes if they are too many: a workflow deletes its outputs."""
    return rejected.with_name(f"{rejected.stem}-too-many{rejected.suffix}")


def check_records(
    records: list[Numbered], tasks: tuple[Task, ...], max_sites: int | None = None
) -> Checked:
    """Sort records into usable crystals, rejections and crystals of more than `max_sites` sites."""
    usable: list[StructureRow] = []
    unusable: list[Rejection] = []
    large = 0
    for numbered in records:
        record = numbered.record
        if isinstance(record, Rejection):
            unusable.append(record)
            continue
        try:
            row = _usable(numbered, record, tasks)
        except RejectedCrystal as error:
            unusable.append(Rejection(record.id, error.reason, record.where))
            continue
        if max_sites is not None and len(row.crystal.numbers) > max_sites:
            large += 1
        else:
            usable.append(row)
    unlabelled = [
        Rejection(row.id, f"no value for {name} (not used for this task)", row.where)
        for row in usable
        for name, value in row.labels.items()
        if value is None
    ]
    return Checked(usable, unusable, unlabelled, large)


def _usable(numbered: Numbered, record: RawRecord, tasks: tuple[Task, ...]) -> StructureRow:
    """Raises RejectedCrystal."""
    check_id(record.id)
    if numbered.repeated:
        raise RejectedCrystal("an earlier crystal has the same id")
    values = {task.name: record.labels.get(task.column) for task in tasks}
    labels = {k: v if v is not None and isfinite(v) else None for k, v in values.items()}
    if tasks and not any(value is not None for value in labels.values()):
        raise RejectedCrystal(f"no value for {', '.join(labels)}")
    crystal = read_cif(record.cif)
    text = record.cif if isinstance(record.cif, str) else record.cif.decode("utf-8")
    return StructureRow(
        id=record.id,
        cif=text,
        formula=reduced_formula(crystal.numbers),
        crystal=crystal,
        row=numbered.row,
        labels=labels,
        extra=record.extra,
        where=record.where,
    )


def check_id(name: str) -> None:
    """Raise RejectedCrystal for an id that is unfit for file names and tables."""
    if not name.strip():
        raise RejectedCrystal("the id is empty")
    if len(name) > LONGEST_ID:
        raise RejectedCrystal(f"the id has {len(name)} characters (at most {LONGEST_ID})")
    for part in ("/", "\\", ".."):
        if part in name:
            raise RejectedCrystal(f"the id contains {part}")
    if not name.isprintable():
        raise RejectedCrystal("the id contains a control character")


def _chunks(records: Iterable[RawRecord | Rejection]) -> Iterator[list[Numbered]]:
    seen: set[str] = set()
    numbered = (_number(row, record, seen) for row, record in enumerate(records))
    return chunked(numbered, CHUNK)


def _number(row: int, record: RawRecord | Rejection, seen: set[str]) -> Numbered:
    repeated = record.id in seen
    if isinstance(record, RawRecord):
        seen.add(record.id)
    return Numbered(row, record, repeated)


def _listed(chunk: Checked) -> Iterator[Rejection]:
    for rejection in (*chunk.unusable, *chunk.unlabelled):
        name = rejection.id if rejection.id.isprintable() else ascii(rejection.id)
        yield Rejection(name, rejection.reason, rejection.where)


class _Writer:
    """Writes usable crystals in row groups; the first one tells the further columns."""

    def __init__(self, path: Path, tasks: tuple[Task, ...]) -> None:
        self.path, self.units = path, {task.name: task.unit for task in tasks}
        self.waiting: list[StructureRow] = []
        self.file: pq.ParquetWriter | None = None

    def __enter__(self) -> "_Writer":
        return self

    def __exit__(self, *_: Any) -> None:
        if self.file is not None:
            self.file.close()

    def add(self, rows: list[StructureRow]) -> None:
        self.waiting += rows
        while len(self.waiting) >= ROW_GROUP:
            self._write(self.waiting[:ROW_GROUP])
            self.waiting = self.waiting[ROW_GROUP:]

    def finish(self, offered: int) -> None:
        if self.waiting:
            self._write(self.waiting)
        if self.file is not None:
            self.file.add_key_value_metadata({"rows": str(offered)})
            self.file.close()

    def _write(self, rows: list[StructureRow]) -> None:
        if self.file is None:
            names = [*FIXED, *self.units, *rows[0].extra]
            if twice := [name for name, count in Counter(names).items() if count > 1]:
                raise SourceError(f"two columns would be called {twice[0]}: rename the task")
            self.schema = structure_schema(self.units, list(rows[0].extra))
            self.file = pq.ParquetWriter(
                self.path, self.schema, compression="zstd", write_page_checksum=True
            )
        self.file.write_table(to_table(rows, self.schema))


def _kind(reason: str) -> str:
    """The reason without its particulars: numbers, symbols and labels become dots."""
    return re.sub(_PARTICULAR, "…", reason)


class _Tally:
    """Counts of what was usable and what not."""

    def __init__(self) -> None:
        self.usable = self.large = 0
        self.reasons: Counter[str] = Counter()
        self.unlabelled: Counter[str] = Counter()

    def add(self, chunk: Checked) -> None:
        self.usable += len(chunk.usable)
        self.large += chunk.large
        self.reasons.update(_kind(rejection.reason) for rejection in chunk.unusable)
        self.unlabelled.update(rejection.reason for rejection in chunk.unlabelled)

    @property
    def offered(self) -> int:
        return self.usable + self.reasons.total()

    def judge(self, settings: SourceSettings, rejected: Path) -> None:
        """Log the outcome; raise where too little is left."""
        count = self.reasons.total()
        if self.large:
            log.info(f"{settings.dataset}: {self.large:,} crystals of too many sites left out")
        for reason, number in self.unlabelled.items():
            log.info(f"{settings.dataset}: {number:,} crystals have {reason}")
        if self.offered == 0:
            raise SourceError(f"the source of {settings.dataset} offers no crystals")
        share = count / self.offered
        failed_list(rejected).unlink(missing_ok=True)
        if share > settings.max_rejected_fraction or not self.usable:
            kept = rejected.replace(failed_list(rejected))
            raise too_many(settings.dataset, "", self.reasons, self.offered,
                           settings.max_rejected_fraction, kept)  # fmt: skip
        log.info(
            f"{settings.dataset}: {self.usable:,} crystals usable, {count:,} rejected"
            + (f" ({commonest(self.reasons)}; see {rejected})" if count else "")
        )
