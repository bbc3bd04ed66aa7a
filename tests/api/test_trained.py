"""The models that come with the package: there, whole, and as good as their cards say."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sitenet.api.located import TRAINED, located, trained_models
from sitenet.api.predictor import TRAINED as NOTE
from sitenet.api.predictor import Predictor
from sitenet.evaluate.training_set import SEEN
from sitenet.files import read_json
from sitenet.model.description import UnusableModel

CRYSTALS = Path(__file__).resolve().parents[1] / "data" / "crystals"
MODELS = ["band_gap", "formation_energy"]

KNOWN = {
    "band_gap": {"NaCl": 5.0, "SiO2": 5.7, "Mg": 0.0, "CaF2": 7.3},
    "formation_energy": {"NaCl": -2.1, "SiO2": -3.2, "Mg": 0.0, "CaF2": -4.1},
}
"""Of PBE calculations, in eV and eV/atom, rounded."""


def test_all_are_there() -> None:
    assert trained_models() == sorted(
        [*MODELS, "encoder_crystals", "encoder_infomax", "encoder_labels"]
    )


@pytest.mark.parametrize(("name", "width"), [("encoder_infomax", 32), ("encoder_crystals", 288)])
def test_encoders_without_a_label_have_vectors_and_mark_what_they_saw(
    name: str, width: int
) -> None:
    encoder = Predictor.load(name, "cpu")
    assert encoder.info()["card"].startswith(f"# {name.replace('_', ' ')}")
    seen = pd.read_parquet(TRAINED / name / SEEN)
    cif = (CRYSTALS / "NaCl.cif").read_text()
    found = encoder.embed({"new": cif, seen.id[0]: cif}, local=True, workers=1)
    assert found.problem.tolist() == ["", ""]
    assert found.note[1] == NOTE
    assert found.shape[1] == 3 + width
    with pytest.raises(UnusableModel, match="names no label"):
        encoder.predict([CRYSTALS / "NaCl.cif"], workers=1)


@pytest.mark.parametrize("name", MODELS)
def test_they_know_some_well_known_crystals(name: str) -> None:
    paths = [CRYSTALS / f"{crystal}.cif" for crystal in KNOWN[name]]
    found = Predictor.load(name, "cpu").predict(paths)
    assert (found.problem == "").all()
    error = np.abs(found.prediction.to_numpy() - list(KNOWN[name].values()))
    assert error.max() < {"band_gap": 0.5, "formation_energy": 0.15}[name]
    assert (found.lower <= found.prediction).all()
    assert (found.upper >= found.prediction).all()


@pytest.mark.parametrize("name", MODELS)
def test_the_card_has_the_errors_of_the_members(name: str) -> None:
    card = (TRAINED / name / "card.md").read_text(encoding="utf-8")
    runs = sorted((TRAINED / name).glob("seed*"))
    assert len(runs) >= 3
    single = [float(x) for x in re.findall(r"[\d.]+\d", card.split("Single networks: ")[1])][:3]
    row = re.search(r"more than 50 sites \| ([\d,]+) \| ([\d.]+)", card)
    assert row
    number, error_of_large = int(row[1].replace(",", "")), float(row[2])
    for run, error in zip(runs, single, strict=True):
        metrics = read_json(run / "metrics.json")["splits"]
        share = number / metrics["test"]["n"]  # large cells, of which the card knows the ensemble
        of_all_sizes = (1 - share) * error + share * error_of_large
        assert of_all_sizes == pytest.approx(metrics["test"]["mae"], rel=0.03)
        rows = pd.read_parquet(run / "predictions.parquet").query("split == 'val'")
        found = (rows.target - rows.prediction).abs().mean()
        assert found == pytest.approx(metrics["val"]["mae"], rel=1e-6)


def test_a_name_may_stand_for_another_model_and_has_its_own_card() -> None:
    first, other = located("encoder_labels"), located("band_gap")
    assert first == other[:1]
    about = Predictor.load("encoder_labels", "cpu").info()
    assert about["card"].startswith("# encoder labels")
    assert Predictor.load("band_gap", "cpu").info()["card"].startswith("# band gap")
    vectors = Predictor.load("encoder_labels", "cpu").embed([CRYSTALS / "NaCl.cif"], workers=1)
    assert vectors.problem.tolist() == [""]
