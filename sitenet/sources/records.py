"""Records that a source of crystals yields.

A source is a module with `records(source) -> Iterator[RawRecord | Rejection]`, where `source` holds
its options (`sitenet.options.datasets`). Records are read lazily, in a fixed order, and without
validation, which is left to `sitenet.sources.collect`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


class SourceError(Exception):
    """The source as a whole cannot be used, for instance because a file or column is missing."""


@dataclass(frozen=True)
class RawRecord:
    """One crystal as provided by its source, before validation."""

    id: str
    """Name of the crystal, which must be unique in its data set."""
    cif: str | bytes
    """CIF text; bytes if the source has not decoded it."""
    labels: Mapping[str, float | None]
    """Value of each label column, in its unit; None or NaN if it is missing."""
    extra: Mapping[str, str] = field(default_factory=dict)
    """Extra columns, kept as text; the same for all records of a source."""
    where: str = ""
    """File or row that the record is from, for messages."""


@dataclass(frozen=True)
class Rejection:
    """A crystal that cannot be used, or that lacks a task's value, and why."""

    id: str
    reason: str
    where: str = ""


HEADER = ["id", "reason", "where"]
"""Of a list of rejections."""


def as_row(rejection: Rejection) -> list[str]:
    """A row of a list of rejections, with control characters in the id escaped."""
    name = rejection.id if rejection.id.isprintable() else ascii(rejection.id)
    return [name, rejection.reason, rejection.where]


Label = tuple[str, float | None, Mapping[str, str], str]
"""Id of a crystal, value of a label (None if it is missing), extra columns, place in the source."""
