"""What a caller gives as crystals, one by one: files, folders, tables, texts, objects."""

import glob
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

from sitenet.api.objects import as_cif, is_object
from sitenet.sources.records import Rejection, SourceError
from sitenet.sources.table import as_text, check_columns, column_names, rows_of_table
from sitenet.tables import row_count

Kind = Literal["cif file", "poscar file", "cif", "poscar"]

TABLES = (".csv", ".parquet", ".pq")
POSCARS = (".vasp", ".poscar")
POSCAR_NAMES = ("POSCAR", "CONTCAR")
IDS = ("id", "material_id")
"""Columns of a table that are taken as ids, the first that is there."""


class Given(NamedTuple):
    """A crystal to be read, or what was asked for and why there is nothing to read.

    `content` is the path of a file, else its text.
    """

    id: str
    kind: Kind = "cif"
    content: str | bytes = b""
    problem: str = ""


class Columns(NamedTuple):
    """Columns of tables: `cif` with the text, `id` (None: one of `IDS`, else the row's number)."""

    cif: str = "cif"
    id: str | None = None


def given_crystals(crystals: Any, columns: Columns = Columns()) -> Iterator[Given]:  # noqa: B008
    """The crystals in `crystals`, in order and lazily.

    Args:
        crystals: a path (file, folder, table, pattern such as `new/*.cif`), text of a CIF or
            POSCAR, a Structure of pymatgen, Atoms of ASE; a mapping or pandas Series of such by
            id; a data frame with a column of CIF texts; or any iterable of all these, whose texts
            and objects are named by their place from 0.
        columns: of tables and data frames.
    """
    if hasattr(crystals, "itertuples"):
        yield from _frame(crystals, columns)
    elif _is_single(crystals):
        yield from _one("0", crystals, columns)
    elif isinstance(crystals, Mapping) or hasattr(crystals, "items"):
        for name, crystal in crystals.items():
            yield from _named(str(name), crystal, columns)
    elif isinstance(crystals, Iterable):
        for number, crystal in enumerate(crystals):
            yield from _one(str(number), crystal, columns)
    else:
        yield Given("0", problem=f"this is no crystal but {type(crystals).__name__}")


def number_of(crystals: Any) -> int:
    """How many crystals there are, for a progress message; 0 where telling would need them all."""
    if _is_single(crystals):
        crystals = [crystals]
    if not hasattr(crystals, "__len__"):
        return 0
    paths = [Path(c) for c in crystals if isinstance(c, str | Path) and "\n" not in str(c)]
    tables = [path for path in paths if _is_table(path)]
    if any(path.suffix.lower() == ".csv" or not path.is_file() for path in tables):
        return 0
    if not all(path.is_file() for path in paths):  # folders and patterns
        return 0
    with suppress(ValueError):
        return len(crystals) - len(tables) + sum(map(row_count, tables))
    return 0


def files_in(folder: Path) -> Iterator[Given]:
    """CIF and POSCAR files in a folder and those in it, sorted by path, without hidden ones.

    CIF files are named *.cif in any case, POSCAR files *.vasp, *.poscar, POSCAR or CONTCAR. Links
    to folders are not followed. A folder that cannot be read, or has no such file, has a problem.
    """
    found = False
    for given in _walk(folder):
        found = True
        yield given
    if not found:
        yield Given(str(folder), problem="the folder has no CIF file")


def _is_single(crystals: Any) -> bool:
    return isinstance(crystals, str | bytes | Path | os.PathLike) or is_object(crystals)


def _named(name: str, crystal: Any, columns: Columns) -> Iterator[Given]:
    """A crystal with a name of the caller's, which a file or a text gets too."""
    for given in _one(name, crystal, columns):
        several = given.kind.endswith("file") and given.content != str(crystal)
        yield given if several else given._replace(id=name)


def _one(name: str, crystal: Any, columns: Columns) -> Iterator[Given]:
    """One element of what is given; `name` is for what has none itself."""
    if isinstance(crystal, bytes) or (isinstance(crystal, str) and "\n" in crystal):
        yield Given(name, "cif" if _looks_like_cif(crystal) else "poscar", crystal)
    elif isinstance(crystal, str | os.PathLike):
        yield from _path(os.fspath(crystal), columns)
    elif is_object(crystal):
        try:
            yield Given(name, "cif", as_cif(crystal))
        except Exception as error:  # an object of another library, in any state
            yield Given(name, problem=f"{type(crystal).__name__}: {error}"[:300])
    elif isinstance(crystal, Given):
        yield crystal
    else:
        yield Given(name, problem=f"this is no crystal but {type(crystal).__name__}")


def _looks_like_cif(text: str | bytes) -> bool:
    lowered = text.lower() if isinstance(text, str) else text.decode("latin-1").lower()
    return not lowered.strip() or any(tag in lowered for tag in ("data_", "_cell", "_atom_site"))


def _path(path: str, columns: Columns) -> Iterator[Given]:
    """The crystals at a path; a pattern is expanded where no file has its name."""
    if not os.path.lexists(path) and glob.has_magic(path):
        names = sorted(glob.glob(path, recursive=True))
        if not names:
            yield Given(path, problem="no file matches")
        for name in names:
            yield from _path(name, columns)
    elif os.path.isdir(path):
        yield from files_in(Path(path))
    elif os.path.isfile(path):
        yield from _table(Path(path), columns) if _is_table(Path(path)) else [_file(path)]
    else:
        problem = "it is no file" if os.path.exists(path) else "it does not exist"
        yield Given(str(Path(path)), problem=problem)


def _file(path: str) -> Given:
    kind: Kind = "poscar file" if _is_poscar(os.path.basename(path)) else "cif file"
    return Given(str(Path(path)), kind, str(Path(path)))


def _is_table(path: Path) -> bool:
    return path.suffix.lower() in TABLES


def _is_poscar(name: str) -> bool:
    return name.upper() in POSCAR_NAMES or name.lower().endswith(POSCARS)


def _walk(folder: Path) -> Iterator[Given]:
    """Folders are sorted one by one: no more names are in memory than one of them has."""
    try:
        with os.scandir(folder) as entries:
            inside = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        yield Given(str(folder), problem=f"the folder cannot be read: {error.strerror}")
        return
    for entry in inside:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path))
        elif (entry.name.lower().endswith(".cif") or _is_poscar(entry.name)) and not (
            entry.is_symlink() and entry.is_dir()
        ):
            given = _file(entry.path)
            yield given if entry.is_file() else given._replace(problem="it is no file")


def _table(path: Path, columns: Columns) -> Iterator[Given]:
    """The rows of a table; what is wrong with it as a whole is the problem of its path."""
    broken: list[Rejection] = []
    try:
        names = column_names(path)
        key = columns.id or next((name for name in IDS if name in names), None)
        wanted = [columns.cif] if key is None else list(dict.fromkeys([key, columns.cif]))
        check_columns(path, names, wanted)
        for number, row in enumerate(rows_of_table(path, wanted, broken), start=1):
            name = f"{path}:{number}" if key is None else as_text(row[key])
            yield Given(name, "cif", row[columns.cif] or b"")
    except SourceError as error:
        yield Given(str(path), problem=str(error))
    for one in broken:
        yield Given(one.where, problem=one.reason)


def _frame(frame: Any, columns: Columns) -> Iterator[Given]:
    """The rows of a data frame, named by the column of ids or by its index."""
    if columns.cif not in frame:
        known = ", ".join(map(str, frame.columns))
        raise ValueError(f"the data frame has no column {columns.cif!r}; it has {known}")
    key = columns.id or next((name for name in IDS if name in frame), None)
    names = frame.index if key is None else frame[key]
    for name, crystal in zip(names, frame[columns.cif], strict=True):
        if isinstance(crystal, str | bytes):
            yield Given(str(name), "cif", crystal)
        else:
            yield from _named(str(name), crystal, columns)
