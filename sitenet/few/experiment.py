"""What a job of the pipeline reads: labelled crystals, encoders, and who was refused."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sitenet.few.encoders import Encoder, features_of, load_encoders
from sitenet.few.labels import Labelled, read_labelled
from sitenet.files import atomic_path
from sitenet.options.features import FeatureSettings
from sitenet.options.few_labels import FitSettings
from sitenet.options.limits import LimitSettings
from sitenet.progress import log
from sitenet.sources.records import HEADER, NO_LABEL, Rejection, as_row
from sitenet.splits.label_masks import label_mask


class Experiment(NamedTuple):
    """Labelled crystals with encoders; `refused`: who is not used, and why."""

    labelled: Labelled
    features: FeatureSettings
    encoders: list[Encoder]
    paths: list[Path]
    refused: list[Rejection]


def read_experiment(
    structures: Path,
    labels: Path,
    task: str,
    encoders: Sequence[Path],
    settings: FitSettings,
    limits: LimitSettings,
    largest: float | None = None,
    workers: int = 1,
) -> Experiment:
    """Read an experiment; labels above `largest` are refused.

    `encoders`: weights, each followed by its description. Raises UnusableModel.
    """
    weights = [Path(path) for path in encoders if Path(path).suffix == ".safetensors"]
    features = features_of(weights)
    labelled, refused = read_labelled(structures, labels, task, features, workers, limits)
    if largest is not None:
        above = labelled.label > largest
        refused += [
            Rejection(labelled.ids[k], f"the label {labelled.label[k]:g} is above {largest:g}",
                      kind=NO_LABEL)
            for k in np.flatnonzero(above)
        ]  # fmt: skip
        labelled = taken(labelled, np.flatnonzero(~above).tolist())
    return Experiment(labelled, features, load_encoders(weights, settings.seed), weights, refused)


def taken(labelled: Labelled, rows: Sequence[int]) -> Labelled:
    """Some of the crystals."""
    return Labelled(
        [labelled.ids[k] for k in rows], [labelled.crystals[k] for k in rows],
        labelled.label[list(rows)],
    )  # fmt: skip


def drawn_labels(labelled: Labelled, count: int, seed: int) -> Labelled:
    """At most `count` of the crystals, drawn by a seed."""
    rows = label_mask(labelled.ids, min(count, len(labelled.ids)), seed)
    return taken(labelled, sorted(rows.tolist()))


def write_refused(
    path: Path, refused: Sequence[Rejection], more: Sequence[tuple[str, str]] = ()
) -> None:
    """Write who is not used as CSV: id, kind, reason, where; `more` are ids and reasons."""
    rows = [*refused, *(Rejection(name, reason) for name, reason in more)]
    with atomic_path(path) as temporary, temporary.open("w", newline="") as file:
        csv.writer(file).writerows([HEADER, *map(as_row, rows)])
    if rows:
        log.info(f"{len(rows):,} labelled crystals are not used, listed in {path}")
