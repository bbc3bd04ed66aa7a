"""Trained models applied to CIF files, featurised with the options of the models' training data.

The results are plain tuples, not data frames: importing pandas would take longer than predicting.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sitenet.crystal.featurise import MergedCrystal, featurise
from sitenet.files import read_json
from sitenet.model.inference import embed, predict
from sitenet.model.saving import features_of, load_model
from sitenet.options.features import FeatureSettings
from sitenet.shards.store import CrystalStore
from sitenet.structure.cif import read_cif
from sitenet.structure.rejection import RejectedCrystal


class CifPrediction(NamedTuple):
    """Prediction for a CIF file: None if it cannot be used, with the reason in `problem`."""

    cif: str
    prediction: np.float32 | None
    unit: str
    problem: str


class CifVector(NamedTuple):
    """Vector (width,) of a CIF file: None if it cannot be used, with the reason in `problem`."""

    cif: str
    problem: str
    vector: NDArray[np.float32] | None


def read_crystal(cif: Path, settings: FeatureSettings) -> MergedCrystal:
    """The featurised crystal of a CIF file. Raises RejectedCrystal or OSError."""
    return featurise(read_cif(cif.read_bytes()), settings)


def predict_cifs(weights: Path, cifs: Sequence[Path]) -> list[CifPrediction]:
    """Predictions of a trained model for CIF files, in their order and the label's unit.

    `weights` is model.safetensors of a run, with its JSON next to it.
    """
    problems, store = _read(cifs, features_of(weights))
    unit = read_json(weights.with_suffix(".json"))["label"]["unit"]
    values = iter(() if store is None else predict(load_model(weights), store))
    return [
        CifPrediction(str(cif), None if problem else next(values), unit, problem)
        for cif, problem in zip(cifs, problems, strict=True)
    ]


def embed_cifs(weights: Path, cifs: Sequence[Path], local: bool = False) -> list[CifVector]:
    """Representation vectors Z of CIF files, in their order.

    With `local` the mean of each crystal's local representations instead.
    """
    problems, store = _read(cifs, features_of(weights))
    vectors = iter(() if store is None else embed(load_model(weights), store, local))
    return [
        CifVector(str(cif), problem, None if problem else next(vectors))
        for cif, problem in zip(cifs, problems, strict=True)
    ]


def _read(cifs: Sequence[Path], settings: FeatureSettings) -> tuple[list[str], CrystalStore | None]:
    """Problem of each file (empty for none), and the usable crystals (None if there are none)."""
    problems, crystals = [], []
    for cif in cifs:
        try:
            crystals.append(read_crystal(cif, settings))
            problems.append("")
        except (RejectedCrystal, OSError) as error:
            problems.append(str(error))
    if not crystals:
        return problems, None
    names = [str(k) for k in range(len(crystals))]
    return problems, CrystalStore.from_crystals(names, crystals)
