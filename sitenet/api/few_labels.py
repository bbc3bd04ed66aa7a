"""`fit`: from a table of labels and CIF files to the best model, in one call."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from sitenet.api.located import located
from sitenet.api.reading import cores
from sitenet.evaluate.training_set import read_training_set
from sitenet.few.encoders import Encoder, features_of, load_encoders
from sitenet.few.fit import fit_few_labels
from sitenet.few.labels import Label, read_labelled
from sitenet.few.saving import Fit
from sitenet.files import atomic_path
from sitenet.options.datasets import (
    CifFolderSource,
    LabelSettings,
    SourceSettings,
    TableSource,
)
from sitenet.options.few_labels import FitSettings
from sitenet.progress import log
from sitenet.sources.collect import collect
from sitenet.sources.label_table import write_labels
from sitenet.sources.records import HEADER, Rejection, SourceError, as_row
from sitenet.sources.rejection_limit import failed_list
from sitenet.sources.table import column_names

REFUSED = "refused.csv"

READ = "read"
"""Folder in that of the fit with the crystals and labels as they were read."""

DATASET, TASK = "labels", "sitenet_label"
"""Names while they are read."""


class Fitted(NamedTuple):
    """What `fit` made; `refused`: crystals and labels that were not used, listed in refused.csv."""

    fit: Fit
    refused: int


def fit(
    labels: str | Path,
    out: str | Path,
    *,
    cifs: str | Path | None = None,
    column: str | None = None,
    unit: str = "",
    id_column: str | None = None,
    cif_column: str = "cif",
    encoders: Sequence[str | Path] = (),
    settings: FitSettings = FitSettings(),  # noqa: B008
    workers: int | None = None,
) -> Fitted:
    """Choose, judge and train the best model for a table of labels.

    Args:
        labels: CSV or Parquet file; id_prop.csv (lines of id, value) in a folder of CIF files.
        out: folder for the model, its errors and the report; `Predictor.load` reads it.
        cifs: folder of CIF files, called like the ids; None: the table has a column of CIF texts.
        column: of the label; None where the table has no other column than id and CIF.
        unit: of the label.
        id_column: of the ids; None: the first one of labels beside a folder, else id or
            material_id.
        cif_column: of the CIF texts, without `cifs`.
        encoders: models whose vectors are tried beside descriptors: names or paths.
        settings: arms and seed.
        workers: processes; None: one per core.

    Raises:
        SourceError: a file or column is missing, or no label can be used.
        ValueError: there are too few labelled crystals, or encoders that do not go together.
    """
    out, workers = Path(out), workers or cores()
    source = _source(Path(labels), cifs, id_column, cif_column)
    label = Label(column or _only_column(source, Path(labels)), unit)
    paths = [weights for one in encoders for weights in located(one)]
    features = features_of(paths)
    loaded = load_encoders(paths, settings.seed)
    folder = out / READ
    folder.mkdir(parents=True, exist_ok=True)
    structures, table = folder / "structures.parquet", folder / "labels.parquet"
    lists = [folder / "rejected.csv", folder / "unlabelled.csv"]
    for path in (*lists, failed_list(lists[0])):
        path.unlink(missing_ok=True)
    of_label = LabelSettings(dataset=DATASET, source=source, task=TASK, column=label.column)
    try:
        collect(SourceSettings(DATASET, source), structures, lists[0], workers)
        write_labels(of_label, structures, table, lists[1])
    except SourceError as error:
        raise SourceError(_for_command(str(error))) from None
    finally:
        rows = _listed([*lists, failed_list(lists[0])], label.column)
        _write_refused(out / REFUSED, rows)
    labelled, refused = read_labelled(structures, table, TASK, features, workers)
    rows += [as_row(one) for one in refused]
    _write_refused(out / REFUSED, rows)
    _tell_seen(paths, loaded[::2], labelled.ids)
    found, without = fit_few_labels(
        labelled, out, label, features, loaded, paths, settings, workers
    )
    rows += [as_row(Rejection(name, reason)) for name, reason in without]
    _write_refused(out / REFUSED, rows)
    count = sum(row[1] != "noted" for row in rows)
    if count:
        log.warning(f"{count:,} crystals or labels were not used, listed in {out / REFUSED}")
    return Fitted(found, count)


def _source(
    labels: Path, cifs: str | Path | None, id_column: str | None, cif_column: str
) -> CifFolderSource | TableSource:
    if not labels.is_file():
        raise SourceError(f"there is no file {labels}")
    if cifs is None:
        return TableSource(path=str(labels), id=id_column, cif=cif_column)
    return CifFolderSource(path=str(cifs), labels=str(labels), id=id_column)


def _tell_seen(paths: Sequence[Path], encoders: Sequence[Encoder], ids: Sequence[str]) -> None:
    """Warn of encoders that were trained on labelled crystals, as far as names tell."""
    for path, encoder in zip(paths, encoders, strict=True):
        known = read_training_set(path.parent, encoder.network.crystal_width)
        if known is not None and (seen := known.ids & set(ids)):
            log.warning(
                f"{path} was trained on crystals with the names of {len(seen):,} labelled ones: if "
                "it learned a related label, its arms look better here than they are"
            )


def _only_column(source: CifFolderSource | TableSource, labels: Path) -> str:
    """The column of the labels, if it is clear which one that is. Raises SourceError."""
    if labels.name == "id_prop.csv" and isinstance(source, CifFolderSource):
        return "label"
    names = column_names(labels)
    if isinstance(source, TableSource):
        key = source.id or next((name for name in ("id", "material_id") if name in names), None)
        others = [name for name in names if name not in (key, source.cif)]
    else:
        others = [name for name in names if name != (source.id or names[0])]
    if len(others) != 1:
        raise SourceError(
            f"{labels} has the columns {', '.join(names)}: say with --label which one is the label"
        )
    return others[0]


def _for_command(message: str) -> str:
    """A message about a data set of the pipeline, for the options of the command."""
    words = {
        f"correct datasets.{DATASET}.tasks.{TASK}.column": "name another with --label",
        f" Correct the source or raise datasets.{DATASET}.max_rejected_fraction.": "",
        f"; datasets.{DATASET}.max_rejected_fraction allows 100.0%": "",
    }
    for pipeline, command in words.items():
        message = message.replace(pipeline, command)
    return message


def _listed(lists: Sequence[Path], column: str) -> list[list[str]]:
    """Rows of lists of rejections that were written, with the label's name as the user has it."""
    rows = []
    for path in lists:
        if path.is_file():
            with path.open(newline="") as file:
                rows += [[cell.replace(TASK, column) for cell in row] for row in csv.reader(file)][
                    1:
                ]
    return rows


def _write_refused(path: Path, rows: Sequence[Sequence[str]]) -> None:
    with atomic_path(path) as temporary, temporary.open("w", newline="") as file:
        csv.writer(file).writerows([HEADER, *rows])
