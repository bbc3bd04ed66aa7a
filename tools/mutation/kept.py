"""What earlier runs have found, in a file of one JSON object a line."""

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from table import Candidate
from tests_of import ROOT
from trials import Outcome


class Kept:
    """Outcomes of mutants and times of test files, as long as they hold."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rows: dict[str, dict[str, Any]] = {}
        if path.exists():
            for line in path.read_text().splitlines():
                if line.endswith("}"):  # else it was cut off by a kill
                    row = json.loads(line)
                    self._rows[row["key"]] = row

    def outcome(self, candidate: Candidate) -> Outcome | None:
        """What the tests as they are did with a mutant; None if that is not known."""
        row = self._rows.get(candidate.key)
        if row is None or row["holds_for"] != _digest(_evidence(candidate, row["by"])):
            return None
        return Outcome(row["key"], row["by"], row["seconds"])

    def keep(self, candidate: Candidate, found: Outcome) -> None:
        """Add an outcome."""
        evidence = _digest(_evidence(candidate, found.by))
        self._add({**vars(found), "place": candidate.place, "holds_for": evidence})

    def seconds(self, test: str) -> float | None:
        """Time of a test file without a change."""
        row = self._rows.get(test)
        return row["seconds"] if row and row["holds_for"] == _digest((test,)) else None

    def keep_time(self, test: str, seconds: float) -> None:
        """Add the time of a test file."""
        self._add({"key": test, "seconds": seconds, "holds_for": _digest((test,))})

    def _add(self, row: dict[str, Any]) -> None:
        self._rows[row["key"]] = row
        with self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")


def _evidence(candidate: Candidate, by: str) -> tuple[str, ...]:
    """The test files that an outcome rests on."""
    noticed = by.split("::")[0].removesuffix(" (import)")
    return (noticed,) if noticed in candidate.tests else candidate.tests


@cache
def _digest(files: tuple[str, ...]) -> str:
    content = b"\0".join((ROOT / file).read_bytes() for file in files)
    return hashlib.sha256(content).hexdigest()[:16]
