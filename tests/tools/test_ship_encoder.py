"""A shipped encoder gives the vectors of its pre-training and says that it has no label."""

from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
from small_pretraining import LOSS, MODEL, TRAINING, outputs
from tool import tool

from sitenet.api.predictor import TRAINED, Predictor
from sitenet.evaluate.training_set import SEEN
from sitenet.model.description import UnusableModel
from sitenet.train.pretrain import pretrain

ROOT = Path(__file__).resolve().parents[2]
SALT = ROOT / "tests" / "data" / "crystals" / "NaCl.cif"


@pytest.fixture(scope="module")
def ship() -> ModuleType:
    return tool("ship_encoder")


@pytest.fixture(scope="module")
def shipped(unlabelled, ship: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pre-training of an epoch, and tables as the pipeline writes them."""
    folder = tmp_path_factory.mktemp("run")
    pretrain(unlabelled, outputs(folder), MODEL, LOSS, replace(TRAINING, max_epochs=1))
    place = {"kind": "k", "model": "ridge", "task": "salts e", "labels": 50, "trainings": 3}
    rows = [
        {**place, "representation": name, "against": against, "error": 0.5, "control": control,
         "percent": change, "low": change - 3, "high": change + 4}
        for name in ("Z", "atoms")
        for against, control, change in (("untrained", 0.6, -16.0), ("descriptors", 0.4, 25.0))
    ]  # fmt: skip
    pd.DataFrame(rows).to_csv(folder / "encoders_tests.csv", index=False)
    pd.DataFrame([{"task": "salts e", "unit": "eV"}]).to_csv(folder / "encoders.csv", index=False)
    out = tmp_path_factory.mktemp("out") / "encoder_salts"
    ship.ship(folder, out, "k", folder, "Rock salts", "snakemake salts")
    return out


def test_it_has_the_vectors_of_the_pre_training_and_marks_what_it_saw(shipped: Path) -> None:
    seen = pd.read_parquet(shipped / SEEN).id[0]
    given = {"new": SALT.read_text(), seen: SALT.read_text()}
    found = Predictor.load(shipped, "cpu").embed(given, local=True, workers=1)
    assert found.problem.tolist() == ["", ""]
    assert [note.endswith(TRAINED) for note in found.note] == [False, True]
    assert found.filter(regex="^z").nunique().max() == 1


def test_it_predicts_nothing_and_says_so(shipped: Path) -> None:
    with pytest.raises(UnusableModel, match="names no label: the model predicts none"):
        Predictor.load(shipped, "cpu").predict([SALT], workers=1)
    about = Predictor.load(shipped, "cpu").info()
    assert about["predicts"] == "vectors only (no label)"
    assert "Na" in about["elements"]


def test_the_card_tells_what_it_is_worth(shipped: Path) -> None:
    card = (shipped / "card.md").read_text()
    line = "| salts e (eV) | 50 | 0.5 | 0.6 (-16 %, -19 to -12) | 0.4 (+25 %, +22 to +29) |"
    assert card.count(line) == 2
    for told in (
        "# encoder salts (no label)",
        "Rock salts.",
        "snakemake salts",
        "over 3 pre-",
        "2 of the 2 lines",
        "0 lower than with descriptors",
    ):
        assert told in card
