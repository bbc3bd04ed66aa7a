"""Read and check all crystals of a source: structures.parquet and rejected.csv of a data set."""

import csv
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from sitenet.files import atomic_path
from sitenet.options.datasets import SourceSettings
from sitenet.parallel import chunked, ordered_map
from sitenet.progress import Progress
from sitenet.sources.kinds import open_source
from sitenet.sources.record_checks import NumberedRecord, check_records
from sitenet.sources.records import HEADER, RawRecord, Rejection, as_row
from sitenet.sources.rejection_limit import Tally
from sitenet.sources.structure_writer import StructureWriter

CHUNK = 100
"""Records sent to a worker process at a time."""


def collect(settings: SourceSettings, structures: Path, rejected: Path, workers: int = 1) -> None:
    """Write the usable crystals of a source, and the reasons why the others are not usable.

    The output is in the order of the source, for any number of workers. A crystal is rejected if
    its id is invalid or a duplicate, or its CIF is rejected (`sitenet.structure.cif.read_cif`).
    Which crystals have a label does not matter: the table depends on the crystals alone.

    Args:
        settings: of the source.
        structures: Parquet file to write (`sitenet.sources.structure_table`).
        rejected: CSV file to write: id, reason, where. Renamed to `failed_list(rejected)` if too
            many crystals are rejected.
        workers: number of processes.

    Raises:
        TooManyRejected: the rejected fraction exceeds `settings.max_rejected_fraction`, or no
            crystal is usable.
        SourceError: the source as a whole cannot be read, or it is empty.
    """
    records, total = open_source(settings)
    progress = Progress(total, f"reading {settings.dataset}", "crystals")
    chunks = ordered_map(check_records, _chunks(records, settings.computed), workers)
    tally = Tally()
    with ExitStack() as stack:
        table = stack.enter_context(atomic_path(structures))
        with atomic_path(rejected) as listing, listing.open("w", newline="") as file:
            reasons = csv.writer(file)
            reasons.writerow(HEADER)
            writer = stack.enter_context(StructureWriter(table))
            for chunk in chunks:
                writer.add(chunk.usable)
                reasons.writerows(map(as_row, chunk.rejected))
                tally.add(chunk)
                progress.advance(len(chunk.usable) + len(chunk.rejected))
            writer.finish(progress.done)
        progress.finish()
        tally.check_limit(settings, rejected)


def _chunks(
    records: Iterable[RawRecord | Rejection], labelled: bool
) -> Iterator[list[NumberedRecord]]:
    seen: set[str] = set()
    numbered = (_number(row, record, seen, labelled) for row, record in enumerate(records))
    return chunked(numbered, CHUNK)


def _number(
    row: int, record: RawRecord | Rejection, seen: set[str], labelled: bool
) -> NumberedRecord:
    duplicate = record.id in seen
    if isinstance(record, RawRecord):
        seen.add(record.id)
        record = record if labelled else replace(record, labels={}, extra={})
    return NumberedRecord(row, record, duplicate)
