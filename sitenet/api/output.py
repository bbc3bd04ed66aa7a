"""Rows written to a file of any size, so that a run that was interrupted continues.

Finished rows go to a journal beside the file, one JSON line each with a key of the crystal that it
is from. When all are there, the journal becomes the file. A later call keeps the rows at the start
of the journal whose keys are those of its crystals, and computes the rest.
"""

import csv
import json
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from hashlib import blake2b
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, NamedTuple

from sitenet.api.given import Given
from sitenet.files import atomic_path, room_in
from sitenet.progress import log

SUFFIXES = (".csv", ".json", ".parquet")
UNFINISHED = ".unfinished"
FLUSHED = 256
"""Rows after which the journal is written through to the disk."""
TOLD = 20
"""Problems that are told in the log; the file has them all."""
GROUP = 5000
"""Rows of a group of a Parquet file."""
TEXTS = frozenset({"id", "interval", "unit", "unlike", "problem", "note"})
"""Columns of text; all others are numbers."""

Row = tuple[Any, ...]


class Written(NamedTuple):
    """What is in the file: rows, those of them with a problem, and rows of an earlier call.

    `first` are id and problem of the first few with one.
    """

    path: Path
    rows: int
    problems: int
    kept: int
    first: list[tuple[str, str]]


def check_suffix(out: Path) -> None:
    """Raise ValueError unless a table can be written to such a file."""
    if out.suffix not in SUFFIXES:
        raise ValueError(f"{out}: a table is written as {', '.join(SUFFIXES)}")


def write_rows(
    out: Path,
    columns: Sequence[str],
    crystals: Iterator[Given],
    compute: Callable[..., Generator[Row, None, None]],
    made_by: Sequence[Any],
    total: int = 0,
) -> Written:
    """Write a row for each crystal.

    Args:
        out: CSV, JSON or Parquet file, by its suffix.
        columns: of the rows, with id and problem.
        crystals: in the order of the rows.
        compute: rows of crystals, lazily and in their order.
        made_by: plain values on which the rows depend, apart from the crystals.
        total: number of crystals, 0 if it is not known.
    """
    check_suffix(out)
    journal = out.with_name(f"{out.name}{UNFINISHED}")
    header = json.dumps([*made_by, *columns])
    kept, end, rest = _kept(journal, header, crystals)
    if kept:
        log.info(f"{journal}: {kept:,} rows of an interrupted run are kept")
    keys: deque[str] = deque()  # of the few crystals that are being computed

    def keyed() -> Iterator[Given]:
        for given in rest:
            keys.append(key_of(given))
            yield given

    with room_in(out.parent), journal.open("r+b" if kept else "wb") as file:
        file.seek(end)
        file.truncate()
        if not kept:
            file.write(f"{header}\n".encode())
        with closing(compute(keyed(), total=max(total - kept, 0))) as rows:
            for number, row in enumerate(rows, start=1):
                file.write(json.dumps([keys.popleft(), *row]).encode() + b"\n")
                if number % FLUSHED == 0:
                    file.flush()
    place = columns.index("problem")
    count = problems = 0
    first: list[tuple[str, str]] = []
    for row in _rows(journal):
        count += 1
        if row[place]:
            problems += 1
            first += [(row[0], row[place])] if len(first) < TOLD else []
    with atomic_path(out) as temporary:
        _FORMATS[out.suffix](temporary, columns, _rows(journal))
    journal.unlink()
    return Written(out, count, problems, kept, first)


def key_of(given: Given) -> str:
    """Changes when the crystal does: of a file its size and time, of a text its content."""
    digest = blake2b(repr((given.id, given.kind, given.problem)).encode(), digest_size=12)
    if given.kind.endswith("file"):
        try:
            stat = os.stat(given.content)
            digest.update(f"{stat.st_size} {stat.st_mtime_ns}".encode())
        except OSError as error:
            digest.update(str(error.errno).encode())
    else:
        content = given.content
        digest.update(content.encode("utf-8", "replace") if isinstance(content, str) else content)
    return digest.hexdigest()


def write_csv_rows(file: IO[str], columns: Sequence[str], rows: Iterable[Row]) -> None:
    """CSV with an empty cell for None."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(["" if value is None else value for value in row] for row in rows)


def _kept(
    journal: Path, header: str, crystals: Iterator[Given]
) -> tuple[int, int, Iterator[Given]]:
    """Rows of the journal that stay, its length with them, and the crystals without a row."""
    if not journal.is_file():
        return 0, 0, crystals
    with journal.open("rb") as file:
        if file.readline() != f"{header}\n".encode():
            log.info(f"{journal} is of another model or call: it is begun anew")
            return 0, 0, crystals
        count, end = 0, file.tell()
        while line := file.readline():
            given = next(crystals, None)
            if given is None:
                break
            if not line.endswith(b"\n") or _key(line) != key_of(given):
                return count, end, chain([given], crystals)
            count, end = count + 1, file.tell()
    return count, end, crystals


def _key(line: bytes) -> str:
    try:
        return str(json.loads(line)[0])
    except (ValueError, LookupError, TypeError):
        return ""


def _rows(journal: Path) -> Iterator[Row]:
    with journal.open("rb") as file:
        next(file)
        for line in file:
            yield tuple(json.loads(line)[1:])


def _csv(path: Path, columns: Sequence[str], rows: Iterator[Row]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        write_csv_rows(file, columns, rows)


def _json(path: Path, columns: Sequence[str], rows: Iterator[Row]) -> None:
    """A list of objects, one on each line."""
    with path.open("w", encoding="utf-8") as file:
        file.write("[")
        for number, row in enumerate(rows):
            file.write(",\n" if number else "\n")
            file.write(json.dumps(dict(zip(columns, row, strict=True))))
        file.write("\n]\n")


def _parquet(path: Path, columns: Sequence[str], rows: Iterator[Row]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(c, pa.string() if c in TEXTS else pa.float64()) for c in columns])
    with pq.ParquetWriter(path, schema, write_page_checksum=True) as writer:
        while group := list(islice(rows, GROUP)):
            by_column = zip(zip(*group, strict=True), schema, strict=True)
            arrays = [pa.array(values, field.type) for values, field in by_column]
            writer.write_table(pa.table(arrays, schema=schema))


_FORMATS = {".csv": _csv, ".json": _json, ".parquet": _parquet}
