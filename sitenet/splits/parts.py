"""Splits on disk: the part (train, val, test) of each crystal."""

import csv
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sitenet.files import atomic_path
from sitenet.splits.draws import drawn
from sitenet.tables import DamagedTable, read_arrow

PARTS = ("train", "val", "test")
UNUSED = "unused"
"""Part of training crystals that a run was not trained on, in its predictions."""

HEADER = ["id", "split"]


@dataclass(frozen=True)
class Parts:
    """Part of each crystal by id, `of`, in the order of the file `source`."""

    source: Path
    of: Mapping[str, str]

    def ids(self, part: str) -> list[str]:
        """Ids of the crystals of one part, in file order."""
        return [name for name, there in self.of.items() if there == part]

    def drawn(self, part: str, count: int | None, seed: int) -> list[str]:
        """At most `count` ids (None: all) of a part, selected by `seed`, in file order.

        Raises:
            ValueError: the part has no crystals.
        """
        ids = self.ids(part)
        if not ids:
            raise ValueError(f"{self.source} has no crystals in its part {part}")
        return [ids[k] for k in drawn(ids, count, f"crystals {seed}")]

    def without(self, ids: Collection[str]) -> "Parts":
        """The parts of all crystals except `ids`."""
        return Parts(self.source, {name: p for name, p in self.of.items() if name not in ids})


def write_parts(path: Path, rows: Iterable[tuple[str, str]]) -> None:
    """Write a split as CSV, from rows of id and part."""
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([HEADER, *rows])


def read_parts(split: Path) -> Parts:
    """Read a split written by `write_parts`.

    Raises:
        DamagedTable: the file is not a split, or contains an id twice.
    """
    with split.open(newline="", encoding="utf-8") as file:
        header, *rows = [*csv.reader(file)] or [[]]
    if header != HEADER or not all(len(row) == 2 and row[1] in PARTS for row in rows):
        raise DamagedTable(split, "its lines are not an id and train, val or test")
    parts = dict(rows)
    if len(parts) < len(rows):
        raise DamagedTable(split, "an id is there twice")
    return Parts(split, parts)


def parts_of_run(predictions: Path) -> Parts:
    """The parts that a run used: those of its split, and `UNUSED`.

    `predictions` is the table that the run wrote, with columns id and split. Raises DamagedTable.
    """
    table = read_arrow(predictions, HEADER)
    return Parts(predictions, dict(zip(*(table[c].to_pylist() for c in HEADER), strict=True)))
