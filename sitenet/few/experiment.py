"""What a job of the pipeline reads: labelled crystals, encoders, and who was refused."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sitenet.few.encoders import Encoder, kinds_of, load_encoders
from sitenet.few.labels import Labelled, read_labelled
from sitenet.files import atomic_path
from sitenet.options.few_labels import FitSettings
from sitenet.options.limits import LimitSettings
from sitenet.shards.guarded import Kinds
from sitenet.sources.records import HEADER, NO_LABEL, Rejection, as_row
from sitenet.splits.label_masks import label_mask


class Experiment(NamedTuple):
    """Labelled crystals with encoders; `refused`: who is not used, and why."""

    labelled: Labelled
    kinds: Kinds
    encoders: list[Encoder]
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
    loaded = load_encoders(weights, settings.seed)
    kinds = kinds_of(loaded)
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
