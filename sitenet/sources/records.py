"""What a source of crystals yields.

A source is a module with `records(source) -> Iterator[RawRecord | Rejection]`, where `source` holds
its options (`sitenet.options.datasets`). It reads lazily, in a fixed order, and leaves all
validation to `sitenet.sources.collect`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


class SourceError(Exception):
    """The source as a whole cannot be used: a file is absent, a column is missing, and so on."""


@dataclass(frozen=True)
class RawRecord:
    """One crystal as its source has it, unchecked."""

    id: str
    """Name of the crystal, unique in its data set."""
    cif: str | bytes
    """CIF text; bytes where the source has not decoded it."""
    labels: Mapping[str, float | None]
    """Value of each of the source's label columns, in the column's unit; None or NaN: missing."""
    extra: Mapping[str, str] = field(default_factory=dict)
    """Further columns, kept as text; a source gives every record the same ones."""
    where: str = ""
    """File or row it comes from, for messages."""


@dataclass(frozen=True)
class Rejection:
    """A crystal that cannot be used, or that lacks a task's value, and why."""

    id: str
    reason: str
    where: str = ""
