"""Read and check all crystals of a source: structures.parquet and rejected.csv of a data set."""

import csv
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from sitenet.files import atomic_path
from sitenet.guard import Failure, check_accounts, guarded_map
from sitenet.options.datasets import SourceSettings
from sitenet.options.limits import LIMITS, LimitSettings
from sitenet.progress import Progress
from sitenet.sources.kinds import open_source
from sitenet.sources.record_checks import CheckedRecords, NumberedRecord, check_record
from sitenet.sources.records import HEADER, RawRecord, Rejection, as_row
from sitenet.sources.rejection_limit import Tally
from sitenet.sources.structure_writer import StructureWriter

CHUNK = 100
"""Records sent to a worker process at a time."""


def collect(
    settings: SourceSettings,
    structures: Path,
    rejected: Path,
    workers: int = 1,
    limits: LimitSettings = LIMITS,
) -> None:
    """Write the usable crystals of a source, and the reasons why the others are not usable.

    The output is in the order of the source, for any number of workers. A crystal is rejected if
    its id is invalid or a duplicate, or its CIF is rejected (`sitenet.structure.cif.read_cif`) or
    exceeds the limits. Which crystals have a label does not matter: the table depends on the
    crystals alone.

    Args:
        settings: of the source.
        structures: Parquet file to write (`sitenet.sources.structure_table`).
        rejected: CSV file to write: id, kind, reason, where. Renamed to `failed_list(rejected)` if
            too many crystals are rejected.
        workers: number of processes.
        limits: of a crystal.

    Raises:
        TooManyRejected: the rejected fraction exceeds `settings.max_rejected_fraction`, or no
            crystal is usable.
        SourceError: the source as a whole cannot be read, or it is empty.
    """
    records, total = open_source(settings)
    progress = Progress(total, f"reading {settings.dataset}", "crystals")
    checked = _checked(_numbered(records, settings.computed), workers, limits)
    tally = Tally()
    with ExitStack() as stack:
        table = stack.enter_context(atomic_path(structures))
        with atomic_path(rejected) as listing, listing.open("w", newline="") as file:
            reasons = csv.writer(file)
            reasons.writerow(HEADER)
            writer = stack.enter_context(StructureWriter(table))
            for one in checked:
                writer.add(one.usable)
                reasons.writerows(map(as_row, (*one.rejected, *one.noted)))
                tally.add(one)
                progress.advance()
            writer.finish(progress.done)
        progress.finish()
        told = tally.reasons.total() + tally.others.total()
        check_accounts(f"reading {settings.dataset}", progress.done, tally.usable, told)
        tally.check_limit(settings, rejected)


def _numbered(records: Iterable[RawRecord | Rejection], labelled: bool) -> Iterator[NumberedRecord]:
    seen: set[str] = set()
    return (_number(row, record, seen, labelled) for row, record in enumerate(records))


def _number(
    row: int, record: RawRecord | Rejection, seen: set[str], labelled: bool
) -> NumberedRecord:
    duplicate = record.id in seen
    if isinstance(record, RawRecord):
        seen.add(record.id)
        record = record if labelled else replace(record, labels={}, extra={})
    return NumberedRecord(row, record, duplicate)


def _checked(
    records: Iterable[NumberedRecord],
    workers: int,
    limits: LimitSettings,
) -> Iterator[CheckedRecords]:
    """The outcome for each record, in order; rejections of those that fail."""
    drawn: deque[RawRecord | Rejection] = deque()

    def named() -> Iterator[tuple[str, NumberedRecord]]:
        for numbered in records:
            drawn.append(numbered.record)
            yield numbered.record.id, numbered

    outcomes = guarded_map(
        check_record, named(), workers, limits.seconds, limits.memory_gib, chunk=CHUNK
    )
    for name, found in outcomes:
        record = drawn.popleft()
        if isinstance(found, Failure):
            found = CheckedRecords([], [Rejection(name, found.reason, record.where)], [])
        yield found
