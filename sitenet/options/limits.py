"""Limits of what a single crystal may take."""

from dataclasses import dataclass

from sitenet.guard import MEMORY_GIB, SECONDS
from sitenet.options.option import Options, option


@dataclass(frozen=True)
class LimitSettings(Options):
    """What one crystal may take in each job. One that takes more is rejected; the run goes on."""

    seconds: float = option(
        SECONDS,
        "Processor time (s) for one crystal; by the clock, five times as much.",
        at_least=1,
    )
    memory_gib: float = option(
        MEMORY_GIB, "Memory (GiB) of a process for its work on one crystal (Linux).", at_least=1
    )


LIMITS = LimitSettings()
"""The defaults."""
