"""The command line, on CIF files and imported weights."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sitenet.cli import main
from sitenet.sources.p1 import write_cif

ROCK_SALT = [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5],
             [0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5], [0.5, 0.5, 0.5]]  # fmt: skip


@pytest.fixture
def imported(shared: Path, tmp_path: Path) -> Path:
    weights = tmp_path / "model.safetensors"
    source = shared / "reference" / "model_seed0_state_dict.npz"
    assert main(["import-checkpoint", str(source), str(weights), "--output", "linear",
                 "--unit", "eV", "--n", "50"]) == 0  # fmt: skip
    return weights


def test_imported_weights_predict_what_the_original_predicts(
    shared: Path, imported: Path, tmp_path: Path
):
    names = {"crystit_NaCl": -0.3530107, "crystit_TiO2_rutile": -0.27029512}
    cifs = [str(shared / "reference" / "structures" / f"{name}.cif") for name in names]
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
    good.write_text(write_cif("NaCl", lattice, ["Na"] * 4 + ["Cl"] * 4, ROCK_SALT))
    bad.write_text("not a cif")
    cifs = [str(good), str(bad), str(tmp_path / "absent.cif")]
    assert main(["predict", str(imported), *cifs]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "cif,prediction,unit,problem"
    assert lines[1].startswith(f"{good},-0.3")
    assert all(",," in line and not line.endswith(",") for line in lines[2:])


def test_weights_of_another_model_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    source = tmp_path / "other.npz"
    np.savez(source, **{"fc.weight": np.zeros(3)})
    assert main(["import-checkpoint", str(source), str(tmp_path / "m.safetensors"), "--output",
                 "linear", "--unit", "eV", "--n", "50"]) == 1  # fmt: skip
    assert "'fc.weight' is not a parameter of the original Site-Net" in capsys.readouterr().err
