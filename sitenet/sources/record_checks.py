"""Checks of a source's records: valid id, readable CIF."""

from math import isfinite
from typing import NamedTuple

from sitenet.sources.records import RawRecord, Rejection
from sitenet.sources.structure_table import StructureRow
from sitenet.structure.cif import read_cif
from sitenet.structure.formula import reduced_formula
from sitenet.structure.rejection import RejectedCrystal

LONGEST_ID = 200
"""Characters."""


class NumberedRecord(NamedTuple):
    """A record with its position in the source."""

    row: int
    record: RawRecord | Rejection
    duplicate: bool
    """An earlier record has the same id."""


class CheckedRecords(NamedTuple):
    """Outcome of a chunk of records."""

    usable: list[StructureRow]
    rejected: list[Rejection]


def check_records(records: list[NumberedRecord]) -> CheckedRecords:
    """Sort records into usable crystals and rejections."""
    usable: list[StructureRow] = []
    rejected: list[Rejection] = []
    for numbered in records:
        record = numbered.record
        if isinstance(record, Rejection):
            rejected.append(record)
            continue
        try:
            usable.append(_checked(numbered, record))
        except RejectedCrystal as error:
            rejected.append(Rejection(record.id, error.reason, record.where))
    return CheckedRecords(usable, rejected)


def _checked(numbered: NumberedRecord, record: RawRecord) -> StructureRow:
    """The row of a usable record; raises RejectedCrystal for any other."""
    check_id(record.id)
    if numbered.duplicate:
        raise RejectedCrystal("an earlier crystal has the same id")
    labels = {k: v if v is not None and isfinite(v) else None for k, v in record.labels.items()}
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
