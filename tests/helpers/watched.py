"""Which options a computation reads."""

import sys

from sitenet.options.option import Options

INTERNAL = {"dataclasses", "sitenet.options.option"}
"""Modules that read all fields of any settings: checks, copies, descriptions."""


def watched(group: type[Options]) -> tuple[type[Options], set[str]]:
    """A subclass of `group`, and the names that are read from its instances from now on."""
    seen: set[str] = set()

    class Watched(group):  # type: ignore[misc,valid-type]
        def __getattribute__(self, name: str) -> object:
            if sys._getframe(1).f_globals["__name__"] not in INTERNAL:
                seen.add(name)
            return super().__getattribute__(name)

    return Watched, seen
