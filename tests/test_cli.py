"""The command line, on CIF files and imported weights."""

import io
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from example_crystals import EXAMPLES, primitive

from sitenet.cli import main
from sitenet.crystal.distances import atom_distances
from sitenet.crystal.supercell import optimal_supercell
from sitenet.model.dense import DenseSiteNet
from sitenet.model.saving import save_model
from sitenet.options.features import FeatureSettings
from sitenet.options.model import ModelSettings
from sitenet.shards.batch import dense_batch
from sitenet.sources.cif_writer import write_cif
from sitenet.train.pretrain import initial_encoder


@pytest.fixture
def imported(reference: Path, tmp_path: Path) -> Path:
    weights = tmp_path / "model.safetensors"
    source = reference / "model_seed0_state_dict.npz"
    assert main(["import-checkpoint", str(source), str(weights), "--output", "linear",
                 "--unit", "eV", "--n", "50"]) == 0  # fmt: skip
    return weights


def test_imported_weights_predict_what_the_original_predicts(
    reference: Path, imported: Path, tmp_path: Path
):
    names = {"crystit_NaCl": -0.3530107, "crystit_TiO2_rutile": -0.27029512}
    cifs = [str(reference / "structures" / f"{name}.cif") for name in names]
    out = tmp_path / "predictions.csv"
    assert main(["predict", str(imported), *cifs, "--out", str(out)]) == 0
    table = pd.read_csv(out)
    assert table.prediction.tolist() == pytest.approx(list(names.values()), abs=1e-4)
    assert (table.unit == "eV").all()


def test_bad_files_are_told_and_the_rest_predicted(
    imported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    good, bad = tmp_path / "good.cif", tmp_path / "bad.cif"
    lattice = 5.64 * np.eye(3)
    good.write_text(write_cif("NaCl", lattice, ["Na"] * 4 + ["Cl"] * 4, EXAMPLES["rocksalt"].frac))
    bad.write_text("not a cif")
    cifs = [str(good), str(bad), str(tmp_path / "absent.cif")]
    assert main(["predict", str(imported), *cifs]) == 2
    table = pd.read_csv(io.StringIO(capsys.readouterr().out), keep_default_na=False)
    assert table.columns.tolist() == ["id", "prediction", "lower", "upper", "interval", "spread",
                                      "unit", "unlike", "problem", "note"]  # fmt: skip
    assert table.id.tolist() == cifs
    assert table.prediction[0].startswith("-0.3")
    assert (table.prediction[1:] == "").all()
    assert (table.problem == "").tolist() == [True, False, False]
    assert (table.unit == "eV").all()


def test_weights_of_another_model_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    source = tmp_path / "other.npz"
    np.savez(source, **{"fc.weight": np.zeros(3)})
    assert main(["import-checkpoint", str(source), str(tmp_path / "m.safetensors"), "--output",
                 "linear", "--unit", "eV", "--n", "50"]) == 1  # fmt: skip
    assert "'fc.weight' is not a parameter of the original Site-Net" in capsys.readouterr().err


def test_representations_of_files_do_not_depend_on_their_description(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """A shifted cell has the same vector, other elements another, a bad file its reason."""
    weights, features = tmp_path / "model.safetensors", asdict(FeatureSettings(n_atoms=16))
    encoder = initial_encoder(ModelSettings(embedding_size=0, post_pool_layers=(5,)), seed=0)
    save_model(encoder, encoder.settings, weights, weights.with_suffix(".json"), features=features)
    crystals = {"salt": ("Na", 0.0), "shifted": ("Na", 0.13), "other": ("K", 0.0)}
    for name, (metal, shift) in crystals.items():
        places = (EXAMPLES["rocksalt"].frac + shift) % 1
        text = write_cif(name, 5.64 * np.eye(3), [metal] * 4 + ["Cl"] * 4, places)
        (tmp_path / f"{name}.cif").write_text(text)
    (tmp_path / "bad.cif").write_text("not a cif")
    files = [str(tmp_path / f"{name}.cif") for name in ("salt", "bad", "shifted", "other")]
    assert main(["embed", str(weights), *files]) == 2
    table = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert table.columns.tolist() == ["id", "problem", "note", "z1", "z2", "z3", "z4", "z5"]
    assert table.id.tolist() == files
    assert table.problem.notna().tolist() == [False, True, False, False]
    salt, bad, shifted, other = table.filter(regex="^z").to_numpy()
    assert np.isnan(bad).all()
    np.testing.assert_allclose(shifted, salt, atol=1e-5)
    assert np.abs(other - salt).max() > 0.01
    assert main(["embed", str(weights), "--local", *files]) == 2
    local = pd.read_csv(io.StringIO(capsys.readouterr().out)).filter(regex="^z").to_numpy()
    assert local.shape == (4, encoder.local_width)
    np.testing.assert_allclose(local[2], local[0], atol=1e-5)


def test_local_representations_are_means_over_all_sites(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Of rutile's six sites, two and four are of a class: against the dense model."""
    weights = tmp_path / "model.safetensors"
    settings = FeatureSettings(n_atoms=24, oxidation="given")
    encoder = initial_encoder(ModelSettings(embedding_size=0, post_pool_layers=(5,)), seed=0)
    save_model(encoder, encoder.settings, weights, weights.with_suffix(".json"),
               features=asdict(settings))  # fmt: skip
    rutile = EXAMPLES["rutile"]
    text = write_cif("TiO2", rutile.lattice, ["Ti"] * 2 + ["O"] * 4, rutile.frac)
    (tmp_path / "rutile.cif").write_text(text)
    assert main(["embed", str(weights), "--local", str(tmp_path / "rutile.cif")]) == 0
    found = pd.read_csv(io.StringIO(capsys.readouterr().out)).filter(regex="^z").to_numpy()[0]
    cell = primitive(rutile)
    matrix = optimal_supercell(cell, 24).matrix
    distances = atom_distances(cell.lattice, cell.frac, matrix)
    dense = DenseSiteNet(encoder.settings).double().eval()
    dense.load_state_dict(encoder.state_dict())
    with torch.no_grad():
        sites = dense.sites(dense_batch([(cell.numbers, cell.oxidation, distances)])).numpy()
    np.testing.assert_allclose(found, sites.mean(0), atol=1e-4)
    kinds = [sites[cell.numbers == z].mean(0) for z in (8, 22)]
    assert np.abs(np.mean(kinds, axis=0) - sites.mean(0)).max() > 1e-2
