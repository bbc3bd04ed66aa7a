"""Trained models applied to CIF files, featurised as the models' training data were."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from sitenet.crystal.featurise import MergedCrystal, featurise
from sitenet.files import read_json
from sitenet.model.inference import embed, predict
from sitenet.model.saving import features_of, load_model
from sitenet.options.features import FeatureSettings
from sitenet.shards.store import CrystalStore
from sitenet.structure.cif import read_cif
from sitenet.structure.rejection import RejectedCrystal


def read_crystal(cif: Path, settings: FeatureSettings) -> MergedCrystal:
    """The crystal of a CIF file. Raises RejectedCrystal or OSError."""
    return featurise(read_cif(cif.read_bytes()), settings)


def predict_cifs(weights: Path, cifs: Sequence[Path]) -> pd.DataFrame:
    """Predictions of a trained model for CIF files: columns cif, prediction, unit, problem.

    A file that cannot be used has no prediction, and its problem in words.
    """
    problems, store = _read(cifs, features_of(weights))
    unit = read_json(weights.with_suffix(".json"))["label"]["unit"]
    table = pd.DataFrame({"cif": list(map(str, cifs)), "prediction": None, "unit": unit,
                          "problem": problems})  # fmt: skip
    if store is not None:
        table.loc[table.problem == "", "prediction"] = predict(load_model(weights), store)
    return table


def embed_cifs(weights: Path, cifs: Sequence[Path], local: bool) -> pd.DataFrame:
    """Representations of CIF files: columns cif, problem, z1, z2, ... (empty with a problem).

    Those of the crystals, or with `local` the means of those of their atoms.
    """
    problems, store = _read(cifs, features_of(weights))
    table = pd.DataFrame({"cif": list(map(str, cifs)), "problem": problems})
    if store is not None:
        vectors = embed(load_model(weights), store, local)
        names = [f"z{k + 1}" for k in range(vectors.shape[1])]
        usable = table.index[table.problem == ""]
        table = table.join(pd.DataFrame(vectors, index=usable, columns=names))
    return table


def _read(cifs: Sequence[Path], settings: FeatureSettings) -> tuple[list[str], CrystalStore | None]:
    """For each file its problem in words, empty if none; and the usable crystals, if any."""
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
