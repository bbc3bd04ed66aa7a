"""A shipped model predicts what its runs predict; its card has the errors of the ensemble."""

from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from rock_salts import MODEL, TRAINING, outputs, write_rock_salts
from tool import tool

from sitenet.api.ensemble import Ensemble
from sitenet.api.predictor import TRAINED, Predictor
from sitenet.evaluate.ensemble import write_ensemble
from sitenet.train.supervised import train

ROOT = Path(__file__).resolve().parents[2]
SALT = """data_KCl
_cell_length_a 6.29
_cell_length_b 6.29
_cell_length_c 6.29
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'F m -3 m'
loop_
_atom_site_label
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
K 0 0 0
Cl 0.5 0.5 0.5
"""


@pytest.fixture(scope="module")
def ship() -> ModuleType:
    return tool("ship")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two trainings and their ensemble."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "data").mkdir()
    labelled = write_rock_salts(folder / "data")
    for seed in (0, 1):
        train(labelled, outputs(folder / f"seed{seed}"), MODEL, replace(TRAINING, seed=seed))
    members = [folder / f"seed{seed}" for seed in (0, 1)]
    (folder / "ensemble").mkdir()
    write_ensemble(
        [run / "predictions.parquet" for run in members],
        [run / "metrics.json" for run in members],
        folder / "ensemble" / "predictions.parquet",
        folder / "ensemble" / "metrics.json",
    )
    return folder


def test_a_shipped_model_predicts_as_its_runs(ship: ModuleType, runs: Path, tmp_path: Path):
    ship.ship(runs, tmp_path / "salt", "Rock salts", "snakemake")
    (whole,), (shipped,) = (
        Predictor.load(path, "cpu").predict({"new": SALT}).to_dict("records")
        for path in (runs, tmp_path / "salt")
    )
    assert shipped == whole
    known, kept = Ensemble.load(runs).known, Ensemble.load(tmp_path / "salt").known
    assert known is not None
    assert kept is not None
    assert (kept.ids, kept.elements, kept.residuals) == (
        known.ids, known.elements, known.residuals
    )  # fmt: skip


def test_nothing_of_the_test_crystals_is_shipped(ship: ModuleType, runs: Path, tmp_path: Path):
    ship.ship(runs, tmp_path / "salt", "Rock salts", "snakemake")
    other = pd.read_parquet(tmp_path / "salt" / "seed1" / "predictions.parquet")
    assert set(other.split) == {"val"}
    table = pd.read_parquet(tmp_path / "salt" / "seed0" / "predictions.parquet")
    assert set(table.split) == {"train", "val"}
    assert table.target[table.split == "train"].isna().all()
    assert table.target[table.split == "val"].notna().all()


def test_an_id_of_the_training_set_is_marked(ship: ModuleType, runs: Path, tmp_path: Path):
    ship.ship(runs, tmp_path / "salt", "Rock salts", "snakemake")
    table = pd.read_parquet(tmp_path / "salt" / "seed0" / "predictions.parquet")
    trained = table.id[table.split == "train"].iloc[0]
    given = {"new": SALT, trained: SALT, f"folder/{trained}.cif": SALT}
    found = Predictor.load(tmp_path / "salt", "cpu").predict(given)
    assert [note.endswith(TRAINED) for note in found.note] == [False, True, True]
    assert found.prediction.nunique() == 1


def test_the_card_tells_the_error_of_the_ensemble_by_kind_of_crystal(
    ship: ModuleType, runs: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ship, "FEWEST", 2)
    card = ship.card(runs, "salt", "Rock salts", "snakemake salts")
    table = pd.read_parquet(runs / "ensemble" / "predictions.parquet").query("split == 'test'")
    error = (table.prediction - table.target).abs()
    assert f"| all | {len(table)} | {error.mean():.3f} | {error.median():.3f} |" in card
    oxides = error[table.formula.str.endswith("O")]
    assert f"| with oxygen | {len(oxides)} | {oxides.mean():.3f} |" in card
    assert np.isclose(error[table.n_sites <= 16].mean(), float(card.split("**")[1].split()[0]),
                      atol=1e-4)  # fmt: skip
    assert "snakemake salts" in card
