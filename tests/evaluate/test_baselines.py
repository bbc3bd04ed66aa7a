"""Baselines, and what they know of crystals, on tiny tables."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from structure_tables import write_structures

from sitenet.crystal.structure_type import anonymous_formula, structure_type
from sitenet.evaluate.baseline_features import write_baseline_features
from sitenet.evaluate.baselines import NAMES, predicted, write_baselines
from sitenet.structure.cif import Crystal, read_cif

CRYSTALS = Path(__file__).resolve().parents[1] / "data" / "crystals"


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    folder = tmp_path_factory.mktemp("features")
    names = ("NaCl", "TiO2", "CaTiO3")
    crystals = {name: read_cif((CRYSTALS / f"{name}.cif").read_bytes()) for name in names}
    salt = crystals["NaCl"]
    magnesia = np.where(salt.numbers == 11, 12, 8)
    doubled = crystals["MgO"] = Crystal(0.75 * salt.lattice, magnesia, salt.frac, salt.oxidation)
    crystals["doubled"] = Crystal(
        doubled.lattice * [[2], [1], [1]],
        np.tile(doubled.numbers, 2),
        np.vstack([doubled.frac + np.eye(3)[0] * k for k in (0, 1)]) / [2, 1, 1],
        np.tile(doubled.oxidation, 2),
    )
    table = write_structures(folder / "structures.parquet", crystals)
    write_baseline_features(table, folder / "features.parquet")
    return pd.read_parquet(folder / "features.parquet").set_index("id")


def test_features_of_known_crystals(features: pd.DataFrame) -> None:
    assert features.structure_type.to_dict() == {
        "NaCl": "AB, 225, 2", "MgO": "AB, 225, 2", "doubled": "AB, 225, 2",
        "TiO2": "AB2, 136, 6", "CaTiO3": "ABC3, 221, 5",
    }  # fmt: skip
    assert features.density["NaCl"] == pytest.approx(2.16, rel=0.02)  # g/cm^3, as measured
    assert features.volume_per_atom["NaCl"] == pytest.approx(22.4, rel=0.02)
    assert features["mean Number"].to_dict() == pytest.approx(
        {"NaCl": 14, "MgO": 10, "doubled": 10, "TiO2": 38 / 3, "CaTiO3": 66 / 5}
    )
    assert features.shape[1] == 1 + 2 + 132
    assert features.notna().all(axis=None)
    assert features.loc["doubled"].drop("structure_type").astype(float).to_numpy() == (
        pytest.approx(features.loc["MgO"].drop("structure_type").astype(float).to_numpy())
    )


def test_structure_types_of_cells_without_symmetry_search() -> None:
    numbers = np.repeat([1, 8, 1], 100)
    frac = np.random.default_rng(0).random((300, 3))
    assert structure_type(np.eye(3) * 30, numbers, frac) == "AB2, ?, 300"
    assert anonymous_formula(np.array([22, 8, 8, 20, 8])) == "ABC3"
    assert anonymous_formula(np.array([8, 8, 8, 8])) == "A"


def test_means_by_hand() -> None:
    table = pd.DataFrame(
        [
            ("train", "NaCl", 1.0, "rock salt"),
            ("train", "NaCl", 3.0, "caesium chloride"),
            ("train", "MgO", 4.0, "rock salt"),
            ("train", "SiO2", 12.0, "quartz"),
            ("val", "SiO2", 100.0, "rock salt"),
            ("test", "NaCl", 100.0, "rock salt"),
            ("test", "Fe", 100.0, "iron"),
        ],
        columns=["split", "formula", "target", "structure_type"],
    )
    features = table[["structure_type"]].assign(volume=[np.nan, *range(6)])
    found = predicted(table, features, seed=0)
    assert set(found) == set(NAMES)
    assert found["mean"][4:].tolist() == [5, 5, 5]
    assert found["median"][4:].tolist() == [3.5, 3.5, 3.5]
    assert found["formula"][4:].tolist() == [12, 2, 5]
    assert found["structure_type"][4:].tolist() == [2.5, 2.5, 5]
    assert all(1 <= value <= 12 for name in found for value in found[name])  # no label leaks


def _run(folder: Path, seed: int, table: pd.DataFrame) -> Path:
    path = folder / "mine" / "n50" / "gap" / "sitenet" / f"seed{seed}" / "predictions.parquet"
    path.parent.mkdir(parents=True)
    table.to_parquet(path)
    return path


def test_trees_learn_what_means_do_not(tmp_path: Path) -> None:
    """The label follows a number; the best baseline is chosen by its validation error."""
    random = np.random.default_rng(0)
    x = random.random(400)
    table = pd.DataFrame(
        {"id": [f"c{k}" for k in range(400)], "formula": [f"F{k}" for k in range(400)],
         "split": np.repeat(["train", "val", "test", "unused"], 100), "target": np.sin(6 * x)}
    )  # fmt: skip
    features = pd.DataFrame({"id": table.id, "structure_type": "AB, 225, 2", "x": x,
                             "noise": random.random(400)})  # fmt: skip
    features.sample(frac=1, random_state=1).to_parquet(tmp_path / "features.parquet")
    other = table.assign(split=np.repeat(["train", "val", "test", "train"], 100))
    runs = [_run(tmp_path, seed, one) for seed, one in enumerate((table, table, other))]
    write_baselines(runs, tmp_path / "features.parquet", tmp_path / "b" / "c.csv", seed=3)
    found = pd.read_csv(tmp_path / "b" / "c.csv")
    assert found.seed.tolist() == np.repeat([0, 1, 2], len(NAMES)).tolist()
    assert (found.n == 50).all()
    by_run = [rows.set_index("baseline").drop(columns="seed") for _, rows in found.groupby("seed")]
    assert by_run[0].equals(by_run[1])
    first, larger = by_run[0], by_run[2]
    assert larger.test_mae.extra_trees < first.test_mae.extra_trees  # twice the training set
    assert first.test_mae.extra_trees < 0.3 * first.test_mae["mean"]
    assert first.test_mae.structure_type == pytest.approx(first.test_mae["mean"])  # all alike
    assert first.index[first.best].tolist() == [first.val_mae.idxmin()]
    assert (first.test_mae_low < first.test_mae).all()
    apart = table.target[200:300] - table.target[:100].median()
    assert first.test_mae["median"] == pytest.approx(apart.abs().mean())
