"""Source `cif_folder`: a folder of *.cif files, with a table of labels or without."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from unicodedata import normalize

from sitenet.options.datasets import CifFolderSource
from sitenet.sources.id_list import rows_of_list
from sitenet.sources.records import NO_CRYSTAL, Label, RawRecord, Rejection, SourceError
from sitenet.sources.table import as_text, check_columns, column_names, rows_of_table
from sitenet.structure.cif_file import cif_bytes
from sitenet.structure.rejection import RejectedCrystal
from sitenet.structure.text import decoded

HEADERLESS = "id_prop.csv"

ENDING = ".cif"

PACKED = (".cif.gz", ".cif.bz2", ".cif.xz", ".cif.zst", ".cif.zip")

RESOURCE_FORK = "._"
"""Start of the names of files that macOS puts beside others on foreign disks."""


def records(source: CifFolderSource, columns: Sequence[str]) -> Iterator[RawRecord | Rejection]:
    """Yield the files sorted by name, then what is told of labels without a file.

    Args:
        source: its options.
        columns: of the labels; `id_prop.csv` has a single one, which may have any name.

    Raises:
        SourceError: the folder, the table or a column does not exist.
    """
    files = cif_files(Path(source.path))
    table = table_of_labels(source)
    places: dict[str, str] = {}
    broken: list[Rejection] = []
    for name, _, _, where in _rows(source, columns[0] if columns else None, broken):
        if name in places:
            yield Rejection(name, "a second row of labels", where, NO_CRYSTAL)
        places.setdefault(name, where)
    yield from broken
    ids = Counter(cif_id(path) for path in files if not (_is_fork(path) or _is_packed(path)))
    for path in files:
        name, shown = cif_id(path), readable(path.name)
        if _is_fork(path):
            yield Rejection(name, "a file of macOS, not a CIF", shown, NO_CRYSTAL)
        elif _is_packed(path) and name in ids:
            yield Rejection(name, "a compressed copy of a CIF", shown, NO_CRYSTAL)
        elif ids[name] > 1:
            yield Rejection(name, f"{ids[name]} files have this id", shown)
        elif table is not None and name not in places:
            yield Rejection(name, f"no row in {table.name}", shown)
        else:
            yield _record(name, path, shown)
    with_file = {cif_id(path) for path in files}
    for name, where in places.items():
        if table is not None and name not in with_file:
            reason = f"listed in {table.name}, but there is no such CIF file"
            yield Rejection(name, reason, where, NO_CRYSTAL)


def _record(name: str, path: Path, shown: str) -> RawRecord | Rejection:
    if _is_packed(path):
        return Rejection(name, "the file is compressed: unpack it", shown)
    try:
        return RawRecord(name, cif_bytes(path), {}, {}, shown)
    except RejectedCrystal as error:
        return Rejection(name, error.reason, shown)


def labels(source: CifFolderSource, column: str) -> Iterator[Label]:
    """Yield id, value, extra columns and place of every row of the table of labels.

    Raises SourceError as `records` does.
    """
    yield from _rows(source, column, [])


def table_of_labels(source: CifFolderSource) -> Path | None:
    """The file with the labels, if there are some."""
    return Path(source.labels or Path(source.path, HEADERLESS)) if source.labelled else None


def count(source: CifFolderSource) -> int:
    """Number of CIF files."""
    return len(cif_files(Path(source.path)))


def cif_files(folder: Path) -> list[Path]:
    """All that is named like a CIF file in a folder, sorted. Raises SourceError for none."""
    if not folder.is_dir():
        raise SourceError(f"there is no folder {folder}")
    paths = sorted(p for p in folder.iterdir() if p.name.lower().endswith((ENDING, *PACKED)))
    if all(map(_is_fork, paths)):
        raise SourceError(f"{folder} holds no .cif files")
    return paths


def cif_id(path: Path) -> str:
    """Id of the crystal in a file: its name without the ending."""
    return listed_id(readable(path.name))


def readable(name: str) -> str:
    """Name of a file as text that can be written: bytes that are not UTF-8 are read as Latin-1."""
    return normalize("NFC", decoded(os.fsencode(name)))


def _is_fork(path: Path) -> bool:
    return path.name.startswith(RESOURCE_FORK)


def _is_packed(path: Path) -> bool:
    return path.name.lower().endswith(PACKED)


def _rows(source: CifFolderSource, column: str | None, broken: list[Rejection]) -> Iterator[Label]:
    """All that the table lists; rows that cannot be divided into cells go to `broken`."""
    table = table_of_labels(source)
    if table is None:
        return
    if table.name == HEADERLESS:
        known = {cif_id(path) for path in cif_files(Path(source.path))}
        for where, name, cell in rows_of_list(table, column, lambda text: listed_id(text) in known):
            yield listed_id(name), cell, {}, where
        return
    names = column_names(table)
    key = source.id or (names[0] if names else "id")
    wanted = list(dict.fromkeys([key, *([column] if column else []), *source.extra]))
    check_columns(table, names, wanted)
    for number, row in enumerate(rows_of_table(table, wanted, broken), start=1):
        further = {name: as_text(row[name]) for name in source.extra}
        value = row[column] if column else None
        yield listed_id(as_text(row[key])), value, further, f"{table.name}, row {number}"
    broken[:] = [Rejection(r.id, r.reason, r.where, NO_CRYSTAL) for r in broken]


def listed_id(name: str) -> str:
    """An id as tables list it, without spaces around it and without the ending of a file."""
    name = normalize("NFC", name.strip())
    for ending in (ENDING, *PACKED):
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return name
