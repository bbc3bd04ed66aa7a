"""Names that are looked up in the configuration."""

from collections.abc import Hashable, Mapping
from typing import Any, TypeVar

Name = TypeVar("Name", bound=Hashable)
Entry = TypeVar("Entry")

Options = Mapping[str, Any]
"""A section of the configuration."""


class UnknownName(Exception):
    """A requested path has a name that the configuration lacks; the message says what it has."""


def entry(section: Mapping[Name, Entry], name: Name) -> Entry:
    """The entry of `section` with this name. Raises UnknownName."""
    if name not in section:
        known = ", ".join(map(str, section))
        raise UnknownName(f"{name} is not in the configuration; it has {known}")
    return section[name]
