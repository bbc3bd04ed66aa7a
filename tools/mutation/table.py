"""The table of a mutation test: modules, mutants, how many were noticed, and the survivors."""

import difflib
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests_of import ROOT

if TYPE_CHECKING:
    from kept import Kept


@dataclass(frozen=True)
class Candidate:
    """A changed file: `source` in place of `file`, first different in `line`; drawn if no name."""

    file: str
    line: int
    source: bytes
    tests: tuple[str, ...]
    name: str = ""

    @property
    def key(self) -> str:
        """Identifies the change of this file."""
        return hashlib.sha256(self.file.encode() + b"\0" + self.source).hexdigest()[:24]

    @property
    def place(self) -> str:
        """File, line and name, for messages."""
        return f"{self.file}:{self.line}" + (f" ({self.name})" if self.name else "")

    def difference(self) -> str:
        """Changed lines, those of the module with -, those of the mutant with +."""
        before, after = ((ROOT / self.file).read_text(), self.source.decode())
        lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
        return "\n".join(f"    {line}" for line in [*lines][2:] if not line.startswith("@@"))


def print_table(candidates: Sequence[Candidate], kept: "Kept") -> int:
    """Print survivors with their changes, then the table; 1 if a named mutation survived."""
    rows: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        group = "named mutations" if candidate.name else candidate.file
        rows.setdefault(group, []).append(candidate)
    known = {c.key: found for c in candidates if (found := kept.outcome(c)) is not None}
    survivors = [c for c in candidates if c.key in known and not known[c.key].by]
    for survivor in survivors:
        print(f"{survivor.place} survived\n{survivor.difference()}\n")
    print("| | mutants | noticed | score |\n| --- | ---: | ---: | ---: |")
    totals = [0, 0]
    for group, members in rows.items():
        tried = [known[c.key] for c in members if c.key in known]
        noticed = sum(bool(found.by) for found in tried)
        if group != "named mutations":
            totals = [totals[0] + len(tried), totals[1] + noticed]
        print(_row(group, len(tried), noticed))
    print(_row("all drawn ones", *totals))
    if left := len({c.key for c in candidates}) - len(known):
        print(f"\n{left} are not tried yet")
    return int(any(survivor.name for survivor in survivors))


def _row(name: str, tried: int, noticed: int) -> str:
    score = f"{noticed / tried:.0%}" if tried else "-"
    return f"| {name} | {tried} | {noticed} | {score} |"
