"""Records that a source of crystals yields.

A source is a module with `records(source) -> Iterator[RawRecord | Rejection]`, where `source` holds
its options (`sitenet.options.datasets`). Records are read lazily, in a fixed order, and without
validation, which is left to `sitenet.sources.collect`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


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


REJECTED = "rejected"
"""A crystal that is not used."""
NOTED = "noted"
"""A crystal that is used: what was changed in reading it, or contradicts it in its CIF."""
NO_LABEL = "no label"
"""A crystal that is used, but not for a task."""
NO_CRYSTAL = "no crystal"
"""Something else than a crystal: a label without a CIF, a file of the operating system."""


@dataclass(frozen=True)
class Rejection:
    """What the user is told of a crystal, or of something that is none; see the kinds above."""

    id: str
    reason: str
    where: str = ""
    kind: str = REJECTED


HEADER = ["id", "kind", "reason", "where"]
"""Of a list of rejections."""


def as_row(rejection: Rejection) -> list[str]:
    """A row of a list of rejections, with control characters in the id escaped."""
    name = rejection.id if rejection.id.isprintable() else ascii(rejection.id)
    row = [name, rejection.kind, rejection.reason, rejection.where]
    return [cell.encode("utf-8", errors="backslashreplace").decode("utf-8") for cell in row]


Label = tuple[str, Any, Mapping[str, str], str]
"""Id of a crystal, cell with the value of a label, extra columns, place in the source."""
