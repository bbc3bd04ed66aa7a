"""Checks of a source's records: valid id, readable CIF."""

from typing import NamedTuple

from sitenet.sources.records import NOTED, RawRecord, Rejection
from sitenet.sources.structure_table import StructureRow
from sitenet.structure.cif import read_cif
from sitenet.structure.formula import reduced_formula
from sitenet.structure.rejection import RejectedCrystal
from sitenet.structure.text import decoded

LONGEST_ID = 200
"""Characters."""


class NumberedRecord(NamedTuple):
    """A record with its position in the source."""

    row: int
    record: RawRecord | Rejection
    duplicate: bool
    """An earlier record has the same id."""


class CheckedRecords(NamedTuple):
    """Outcome of one or several records."""

    usable: list[StructureRow]
    rejected: list[Rejection]
    noted: list[Rejection]
    """One for each usable crystal with a note."""


def check_record(numbered: NumberedRecord) -> CheckedRecords:
    """A usable crystal, perhaps with a note, or a rejection."""
    record = numbered.record
    if isinstance(record, Rejection):
        return CheckedRecords([], [record], [])
    try:
        row = _checked(numbered, record)
    except RejectedCrystal as error:
        return CheckedRecords([], [Rejection(record.id, error.reason, record.where)], [])
    except Exception as error:  # no crystal vanishes, and none ends the run
        reason = f"reading failed: {type(error).__name__}: {error}"[:300]
        return CheckedRecords([], [Rejection(record.id, reason, record.where)], [])
    note = row.crystal.note
    return CheckedRecords([row], [], [Rejection(row.id, note, row.where, NOTED)] if note else [])


def _checked(numbered: NumberedRecord, record: RawRecord) -> StructureRow:
    """The row of a usable record; raises RejectedCrystal for any other."""
    check_id(record.id)
    if numbered.duplicate:
        raise RejectedCrystal("an earlier crystal has the same id")
    crystal = read_cif(record.cif)
    text = record.cif if isinstance(record.cif, str) else decoded(record.cif)
    return StructureRow(
        id=record.id,
        cif=text,
        formula=reduced_formula(crystal.numbers),
        crystal=crystal,
        row=numbered.row,
        labels=record.labels,
        extra=record.extra,
        where=record.where,
    )


def check_id(name: str) -> None:
    """Raise RejectedCrystal for an id that is not safe in file names and tables."""
    if not name.strip():
        raise RejectedCrystal("the id is empty")
    if len(name) > LONGEST_ID:
        raise RejectedCrystal(f"the id has {len(name)} characters (at most {LONGEST_ID})")
    for part in ("/", "\\", ".."):
        if part in name:
            raise RejectedCrystal(f"the id contains {part}")
    if not name.isprintable():
        raise RejectedCrystal("the id contains a control character")
