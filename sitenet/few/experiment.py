"""What a job of the pipeline reads: labelled crystals, encoders, and who was refused."""

import csv
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sitenet.few.encoders import Encoder, kinds_of, load_encoders, numbered
from sitenet.few.labels import Labelled, read_labelled
from sitenet.files import atomic_path
from sitenet.options.few_labels import FitSettings
from sitenet.options.limits import LimitSettings
from sitenet.shards.guarded import Kinds
from sitenet.sources.records import HEADER, NO_LABEL, Rejection, as_row
from sitenet.splits.label_masks import label_mask


class Experiment(NamedTuple):
    """Labelled crystals with sets of encoders; `refused`: who is not used, and why."""

    labelled: Labelled
    kinds: Kinds
    encoder_sets: list[list[Encoder]]
    refused: list[Rejection]


def read_experiment(
    structures: Path,
    labels: Path,
    task: str,
    encoder_sets: Sequence[Sequence[Path]],
    settings: FitSettings,
    limits: LimitSettings,
    largest: float | None = None,
    workers: int = 1,
) -> Experiment:
    """Read an experiment; labels above `largest` are refused.

    `encoder_sets`: of weights, each followed by its description. Raises UnusableModel.
    """
    loaded = [
        load_encoders(
            numbered([path for path in paths if path.suffix == ".safetensors"]), settings.seed
        )
        for paths in encoder_sets
    ]
    kinds = kinds_of(list(chain.from_iterable(loaded)))
    labelled, refused = read_labelled(structures, labels, task, kinds, workers, limits)
    if largest is not None:
        above = labelled.label > largest
        refused += [
            Rejection(labelled.ids[k], f"the label {labelled.label[k]:g} is above {largest:g}",
                      kind=NO_LABEL)
            for k in np.flatnonzero(above)
        ]  # fmt: skip
        labelled = labelled.taken(np.flatnonzero(~above).tolist())
    return Experiment(labelled, kinds, loaded, refused)


def drawn_labels(labelled: Labelled, count: int, seed: int) -> Labelled:
    """At most `count` of the crystals, drawn by a seed."""
    rows = label_mask(labelled.ids, min(count, len(labelled.ids)), seed)
    return labelled.taken(sorted(rows.tolist()))


def write_refused(path: Path, refused: Sequence[Rejection]) -> None:
    """Write who is not used as CSV: id, kind, reason, where."""
    with atomic_path(path) as temporary, temporary.open("w", newline="") as file:
        csv.writer(file).writerows([HEADER, *map(as_row, refused)])
