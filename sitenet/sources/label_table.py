"""The table of labels of a task: a Parquet file with one row per crystal, as in structures.parquet.

id, formula, numbers, row   as in the table of structures, in its order
the name of the task        double, null if the crystal has no value; in the unit of the task
followed by the extra columns of the source as strings. The file's metadata is that of the table of
structures.
"""

import csv
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sitenet.files import atomic_path
from sitenet.options.datasets import CifFolderSource, LabelSettings, TableSource
from sitenet.progress import log
from sitenet.sources.label_value import UnreadableLabel, label_value
from sitenet.sources.records import HEADER, NO_LABEL, Label, Rejection, SourceError, as_row
from sitenet.sources.structure_table import FIXED, read_structures

OF_CRYSTALS = ["id", "formula", "numbers", "row"]
"""Columns that are copied, for what is done with labelled crystals alone."""


def write_labels(settings: LabelSettings, structures: Path, out: Path, rejected: Path) -> None:
    """Write the labels of the crystals in `structures`, and a list of those without one.

    Args:
        settings: of the source and the task.
        structures: table of structures.
        out: Parquet file to write.
        rejected: CSV file to write: id, kind, reason, where.

    Raises:
        SourceError: the labels cannot be read, no crystal has one, or the task is named like a
            column.
    """
    table = read_structures(structures, OF_CRYSTALS)
    found, problems = _values(settings, structures)
    absent: Label = ("", None, {}, "")
    rows = [found.get(name, absent) for name in table["id"].to_pylist()]
    values = [value for _, value, _, _ in rows]
    if table.num_rows and all(value is None for value in values):
        raise SourceError(
            f"no crystal of {settings.dataset} has a number in the column {settings.column!r}: "
            f"correct datasets.{settings.dataset}.tasks.{settings.task}.column, or the labels"
        )
    extra = next((further for _, _, further, _ in found.values()), {})
    if settings.task in (*FIXED, *extra):
        raise SourceError(f"two columns would be called {settings.task}: rename the task")
    table = table.append_column(settings.task, pa.array(values, pa.float64()))
    for name in extra:
        cells = pa.array([further.get(name, "") for _, _, further, _ in rows], pa.string())
        table = table.append_column(name, cells)
    problem = f"no value for {settings.task}"
    missing = [
        Rejection(name, f"{problems.get(name, problem)} (not used for this task)", row[3], NO_LABEL)
        for name, row, value in zip(table["id"].to_pylist(), rows, values, strict=True)
        if value is None
    ]
    with atomic_path(rejected) as path, path.open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerows([HEADER, *map(as_row, missing)])
    with atomic_path(out) as path:
        pq.write_table(table, path, compression="zstd", write_page_checksum=True)
    without = f", {len(missing):,} without (see {rejected})" if missing else ""
    log.info(
        f"{settings.dataset}: {table.num_rows - len(missing):,} crystals with a value for "
        f"{settings.task}{without}"
    )


def _values(settings: LabelSettings, structures: Path) -> tuple[dict[str, Label], dict[str, str]]:
    """Labels by id, with numbers as values (None for missing ones), and what is wrong with some.

    An id may have several rows with the same value.
    """
    found: dict[str, Label] = {}
    problems: dict[str, str] = {}
    for name, cell, extra, where in _labels(settings, structures):
        try:
            value = label_value(cell)
        except UnreadableLabel as error:
            value = None
            problems.setdefault(name, f"{settings.task}: {error}")
        label: Label = (name, value, extra, where)
        if found.setdefault(name, label)[1:3] != label[1:3]:
            problems[name] = f"{settings.task}: several rows, which differ"
            found[name] = (name, None, extra, where)
    return found, problems


def _labels(settings: LabelSettings, structures: Path) -> Iterator[Label]:
    """The labels in the source, in its order; some ids may have several or be no crystal's."""
    source = settings.source
    if isinstance(source, TableSource):
        from sitenet.sources import table

        yield from table.labels(source, settings.column)
    elif isinstance(source, CifFolderSource):
        from sitenet.sources import cif_folder

        yield from cif_folder.labels(source, settings.column)
    else:
        yield from _computed(settings, structures)


def _computed(settings: LabelSettings, structures: Path) -> Iterator[Label]:
    """Labels that the table of structures has, with the other columns of its source."""
    own = [name for name in pq.read_schema(structures).names if name not in FIXED]
    table = read_structures(structures, ["id", *own])
    if settings.column not in own:
        raise SourceError(
            f"the source of {settings.dataset} has no label {settings.column!r}; it has "
            f"{', '.join(name for name in own if pa.types.is_floating(table.field(name).type))}"
        )
    extra = [name for name in own if pa.types.is_string(table.field(name).type)]
    for row in table.to_pylist():
        yield row["id"], row[settings.column], {name: row[name] for name in extra}, ""
