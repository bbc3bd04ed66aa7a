"""What can be told of a source before it is read: missing files and columns, by their option."""

import csv
import os
from collections.abc import Generator, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path

from sitenet.options.datasets import CifFolderSource, DatasetSection, TableSource
from sitenet.sources import cif_folder, table
from sitenet.sources.cif_folder import HEADERLESS, table_of_labels
from sitenet.sources.records import SourceError


def mistakes(section: DatasetSection) -> Iterator[str]:
    """What is wrong with the files of a data set, after the option that names them.

    Only the names of files and the headers of tables are read.
    """
    source = section.source
    try:
        if isinstance(source, TableSource):
            yield from _in_table(source, section)
            crystals = table.count(source)
        elif isinstance(source, CifFolderSource):
            yield from _in_folder(source, section)
            crystals = cif_folder.count(source)
        else:
            return
    except (SourceError, OSError):
        return  # told with the option that names the file
    if crystals and (section.split.train_size or 0) >= crystals:
        yield (
            f"split.train_size must be less than the number of crystals, {crystals:,}, not "
            f"{section.split.train_size:,}"
        )


def _in_table(source: TableSource, section: DatasetSection) -> Iterator[str]:
    joined: list[str] = []
    if source.ids is not None:
        joined = yield from _header("source.ids.path", source.ids.path)
        yield from _absent("source.ids.id", source.ids.id, joined, source.ids.path)
    names = yield from _header("source.path", source.path)
    yield from _absent("source.id", table.name_of_id(source, names), names, source.path)
    yield from _absent("source.cif", source.cif, names, source.path)
    extra = [name for name in source.extra if name not in joined]
    yield from _columns(section, extra, names, source.path)
    if section.split.kind == "column" and section.split.column not in source.extra:
        listing = source.ids.path if source.ids else ""
        yield from _absent("split.column", section.split.column, joined, listing)


def _in_folder(source: CifFolderSource, section: DatasetSection) -> Iterator[str]:
    try:
        cif_folder.cif_files(Path(source.path))
    except SourceError as error:
        yield f"source.path: {error}"
    except OSError as error:
        yield f"source.path: {source.path} cannot be read: {error.strerror}"
    labels = table_of_labels(source)
    if labels is None:
        return
    if labels.name == HEADERLESS:
        if not labels.is_file():
            yield f"source.labels: there is no table of labels {labels}; name the one to use"
        elif not os.access(labels, os.R_OK):
            yield f"source.labels: {labels} cannot be read: Permission denied"
        else:
            yield from _in_list(labels, source, section)
        return
    names = yield from _header("source.labels", str(labels))
    if source.id is not None:
        yield from _absent("source.id", source.id, names, str(labels))
    yield from _columns(section, source.extra, names, str(labels))


def _in_list(labels: Path, source: CifFolderSource, section: DatasetSection) -> Iterator[str]:
    """Several labels or extra columns, which a list of id and value cannot have."""
    header = next(csv.reader(labels.read_text(errors="replace").splitlines()[:1]), [])
    names = [name.strip() for name in header]
    wanted = {f"tasks.{task}.column": label.column for task, label in section.tasks.items()}
    absent = {option: column for option, column in wanted.items() if column not in names}
    remedy = f"{labels} has one value per crystal; name a table with a header in source.labels"
    if len({*wanted.values()}) > 1 and absent:
        yield f"{next(iter(absent))}: {remedy}"
    if source.extra:
        yield f"source.extra: {remedy}"


def _columns(
    section: DatasetSection, extra: Sequence[str], names: Sequence[str], path: str
) -> Iterator[str]:
    for task, label in section.tasks.items():
        yield from _absent(f"tasks.{task}.column", label.column, names, path)
    for name in extra:
        yield from _absent("source.extra", name, names, path)


def _header(option: str, path: str) -> Generator[str, None, list[str]]:
    """The columns of a table; SourceError after what is wrong with it was told."""
    try:
        names = table.column_names(Path(path))
    except SourceError as error:
        yield f"{option}: {error}"
        raise
    except OSError as error:
        yield f"{option}: {path} cannot be read: {error.strerror}"
        raise
    if not names:
        yield f"{option}: {path} is empty"
        raise SourceError(path)
    return names


def _absent(option: str, name: str, names: Sequence[str], path: str) -> Iterator[str]:
    if name not in names:
        close = get_close_matches(name, names, 1)
        meant = f" (did you mean {close[0]}?)" if close else ""
        shown = ", ".join(names[:20]) + ", ..." * (len(names) > 20)
        yield f"{option}: {path} has no column {name!r}{meant}; it has {shown}"
