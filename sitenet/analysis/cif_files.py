"""Trained models applied to CIF files, featurised with the options of the models' training data.

The results are plain tuples, not data frames: importing pandas would take longer than predicting.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sitenet.crystal.featurise import MergedCrystal, featurise
from sitenet.guard import SECONDS, Failure, guarded_map
from sitenet.model.description import read_description
from sitenet.model.inference import embed, predict
from sitenet.model.saving import load_model
from sitenet.options.features import FeatureSettings
from sitenet.parallel import chunked
from sitenet.progress import Progress
from sitenet.shards.store import CrystalStore
from sitenet.structure.cif import read_cif
from sitenet.structure.rejection import RejectedCrystal

TOGETHER = 512
"""Files whose crystals are in memory at a time."""

FILES_PER_WORKER = 16
"""Files for which starting one more process pays."""


class CifFile(NamedTuple):
    """A file to read, or what was asked for and why there is nothing to read.

    `note` is what was changed when reading, empty if nothing.
    """

    path: Path
    problem: str = ""
    note: str = ""


class CifPrediction(NamedTuple):
    """Prediction for a CIF file: None if it cannot be used, with the reason in `problem`.

    `note` is what was changed when reading.
    """

    cif: str
    prediction: np.float32 | None
    unit: str
    problem: str
    note: str


class CifVector(NamedTuple):
    """Vector (width,) of a CIF file: None if it cannot be used, with the reason in `problem`.

    `note` is what was changed when reading.
    """

    cif: str
    problem: str
    note: str
    vector: NDArray[np.float32] | None


def find_cifs(paths: Sequence[Path]) -> list[CifFile]:
    """Files as they are given, and for each folder the CIF files in it, sorted by their paths.

    Those are all whose name ends in .cif in any case, in subfolders too, without hidden files and
    folders; links to folders are not followed. Paths that do not exist, folders that cannot be
    read and those without a CIF file have a problem.
    """
    return [file for path in paths for file in _files_of(path)]


def read_crystal(cif: Path, settings: FeatureSettings) -> tuple[MergedCrystal, str]:
    """The featurised crystal of a CIF file, and its note. Raises RejectedCrystal or OSError."""
    crystal = read_cif(cif.read_bytes())
    return featurise(crystal, settings), crystal.note


def read_guarded(
    cifs: Sequence[CifFile], settings: FeatureSettings, seconds: float = SECONDS
) -> Iterator[tuple[CifFile, MergedCrystal | None]]:
    """Files with their featurised crystals, in order; those without one have a problem.

    Whatever is in a file, it ends no more than its own reading, after at most `seconds` of
    processor time.
    """
    readable = [(str(file.path), file.path) for file in cifs if not file.problem]
    workers = min(os.cpu_count() or 1, -(-len(readable) // FILES_PER_WORKER))
    found = guarded_map(partial(read_crystal, settings=settings), readable, workers, seconds,
                        expected=(RejectedCrystal, OSError))  # fmt: skip
    for file in cifs:
        if file.problem:
            yield file, None
            continue
        _, outcome = next(found)
        if isinstance(outcome, Failure):
            yield file._replace(problem=outcome.reason), None
        else:
            crystal, note = outcome
            yield file._replace(note=note), crystal


def predict_cifs(
    weights: Path, cifs: Sequence[CifFile], seconds: float = SECONDS
) -> Iterator[CifPrediction]:
    """Predictions of a trained model for CIF files, in their order and the label's unit.

    `weights` is model.safetensors of a run, with its JSON next to it. Raises UnusableModel before
    a file is read.
    """
    model, unit = load_model(weights), read_description(weights).unit()
    for file, value in _computed(weights, cifs, seconds, partial(predict, model)):
        yield CifPrediction(str(file.path), value, unit, file.problem, file.note)


def embed_cifs(
    weights: Path, cifs: Sequence[CifFile], local: bool = False, seconds: float = SECONDS
) -> Iterator[CifVector]:
    """Representation vectors Z of CIF files, in their order.

    With `local` the mean of each crystal's local representations instead. Raises UnusableModel
    before a file is read.
    """
    compute = partial(embed, load_model(weights), local=local)
    for file, vector in _computed(weights, cifs, seconds, compute):
        yield CifVector(str(file.path), file.problem, file.note, vector)


def _files_of(path: Path) -> Iterator[CifFile]:
    if not path.is_dir():
        problem = "" if path.is_file() else "it does not exist"
        yield CifFile(path, "it is no file" if problem and path.exists() else problem)
        return
    unread: list[OSError] = []
    files = []
    for folder, inner, names in os.walk(path, onerror=unread.append):
        inner[:] = [name for name in inner if not name.startswith(".")]
        files += [Path(folder, name) for name in names
                  if name.lower().endswith(".cif") and not name.startswith(".")]  # fmt: skip
    for file in sorted(files):
        yield CifFile(file, "" if file.is_file() else "it is no file")
    for error in unread:
        problem = f"the folder cannot be read: {error.strerror}"
        yield CifFile(Path(os.fsdecode(error.filename)), problem)
    if not files and not unread:
        yield CifFile(path, "the folder has no CIF file")


def _computed(
    weights: Path,
    cifs: Sequence[CifFile],
    seconds: float,
    compute: Callable[[CrystalStore], NDArray[np.float32]],
) -> Iterator[tuple[CifFile, Any]]:
    """Files with what is computed of each crystal, None where there is a problem."""
    progress = Progress(len(cifs), "CIF files", "files")
    read = read_guarded(cifs, read_description(weights).features(), seconds)
    for chunk in chunked(read, TOGETHER):
        crystals = [crystal for _, crystal in chunk if crystal is not None]
        rows: Iterator[Any] = iter(())
        if crystals:
            names = [str(k) for k in range(len(crystals))]
            rows = iter(compute(CrystalStore.from_crystals(names, crystals)))
        for file, crystal in chunk:
            row = None if crystal is None else next(rows)
            if row is not None and not np.isfinite(row).all():
                file = file._replace(problem="the model's result is not a finite number")
                row = None
            yield file, row
            progress.advance()
