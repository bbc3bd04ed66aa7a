"""`fit`: from a table of labels and CIF files to the best model, in one call."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from sitenet.api.label_columns import column_of_ids, column_of_label
from sitenet.api.located import located, trained_models
from sitenet.api.reading import cores
from sitenet.few.encoders import Encoder, kinds_of, load_encoders
from sitenet.few.experiment import write_refused
from sitenet.few.fit import fit_few_labels
from sitenet.few.labels import Label, Labelled, read_labelled
from sitenet.few.saving import Fit
from sitenet.few.seen import seen_by
from sitenet.options.datasets import (
    CifFolderSource,
    LabelSettings,
    SourceSettings,
    TableSource,
)
from sitenet.options.few_labels import FitSettings
from sitenet.progress import log
from sitenet.shards.guarded import Kinds
from sitenet.sources.collect import collect
from sitenet.sources.label_table import write_labels
from sitenet.sources.records import NOTED, Rejection, SourceError
from sitenet.sources.rejection_limit import failed_list

REFUSED = "refused.csv"

READ = "read"
"""Folder in that of the fit with the crystals and labels as they were read."""

ENCODERS = ("formation_energy", "encoder_crystals")
"""Models of the package whose vectors are tried where nothing else is asked for."""

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
    encoders: Sequence[str | Path] | None = None,
    settings: FitSettings = FitSettings(),  # noqa: B008
    workers: int | None = None,
) -> Fitted:
    """Choose, judge and train the best model for a table of labels.

    Args:
        labels: CSV or Parquet file; id_prop.csv (lines of id, value) in a folder of CIF files.
        out: folder for the model, its errors and the report; `Predictor.load` reads it.
        cifs: folder of CIF files, called like the ids; None: the table has a column of CIF texts.
        column: of the label; None where no other column than ids and CIFs has numbers.
        unit: of the label.
        id_column: of the ids; None: the one that names most files of the folder, else id or
            material_id.
        cif_column: of the CIF texts, without `cifs`.
        encoders: models whose vectors are tried beside descriptors: names or paths. None: those of
            `ENCODERS` that did not learn this label on crystals like these.
        settings: arms and seed.
        workers: processes; None: one per core.

    Raises:
        SourceError: a file or column is missing, or no label can be used.
        ValueError: there are too few labelled crystals, or encoders that do not go together.
    """
    out, workers = Path(out), workers or cores()
    source = _source(Path(labels), cifs, id_column, cif_column)
    label = Label(column or column_of_label(source, Path(labels)), unit)
    loaded = load_encoders(_weights(encoders), settings.seed)
    kinds = kinds_of(loaded)
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
        write_refused(out / REFUSED, rows)
    labelled, refused = read_labelled(structures, table, TASK, kinds, workers)
    rows += refused
    write_refused(out / REFUSED, rows)
    used = _unseen(loaded, labelled, kinds, optional=encoders is None)
    found, without = fit_few_labels(labelled, out, label, kinds, used, settings, workers)
    rows += without
    write_refused(out / REFUSED, rows)
    count = sum(row.kind != NOTED for row in rows)
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
    names = id_column or column_of_ids(labels, Path(cifs))
    return CifFolderSource(path=str(cifs), labels=str(labels), id=names)


def _weights(encoders: Sequence[str | Path] | None) -> dict[str, Path]:
    """Files of weights, each once, by names: of the package, or `encoder1`, ... by their places.

    Of an ensemble of the package it is the first.
    """
    along = trained_models()
    if encoders is None:
        encoders = [name for name in ENCODERS if name in along]
    found: dict[str, Path] = {}
    for one in map(str, encoders):
        named = one in along
        for path in located(one)[: 1 if named else None]:
            if path not in found.values():
                found[one if named else f"encoder{len(found) + 1}"] = path
    return found


def _unseen(
    loaded: Sequence[Encoder], labelled: Labelled, kinds: Kinds, optional: bool
) -> list[Encoder]:
    """The encoders but those that learned this label on these formulas, if they are `optional`.

    Tells what they were trained on.
    """
    kept = []
    for one in loaded:
        if not one.control:
            continue
        seen = seen_by(one, labelled, kinds)
        which = f"{one.name} ({one.source})"
        if seen.learned and optional:
            log.info(
                f"{which} is not used: it learned this label, or one that goes with it, on "
                f"the formulas of {seen.formulas:,} labelled crystals"
            )
            continue
        kept.append(one)
        if seen.crystals and not seen.labels:
            log.info(
                f"{which} learned from {seen.crystals:,} of the labelled crystals (by name "
                "and formula), without labels"
            )
        elif seen.crystals or seen.learned:
            too = ", and learned this label or one that goes with it" * seen.learned
            log.warning(
                f"{which} was trained on {seen.crystals:,} labelled crystals (by name and "
                f"formula){too}: its arms may look better here than on new crystals"
            )
    controls = {one.control for one in kept}
    return [one for one in loaded if one in kept or one.name in controls]


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


def _listed(lists: Sequence[Path], column: str) -> list[Rejection]:
    """Lists of rejections that were written, with the label's name as the user has it."""
    found = []
    for path in lists:
        if path.is_file():
            with path.open(newline="") as file:
                _, *rows = [*csv.reader(file)] or [[]]
            for row in rows:
                name, kind, reason, where = (cell.replace(TASK, column) for cell in row)
                found.append(Rejection(name, reason, where, kind))
    return found
