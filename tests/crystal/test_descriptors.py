"""Orbital field matrix and powder pattern of crystals that can be worked out by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Structure
from structure_tables import write_structures

from sitenet.crystal.descriptors import descriptor
from sitenet.crystal.orbital_field import HEAVIEST, valence_vector
from sitenet.shards.descriptor_shard import build_descriptors
from sitenet.shards.vectors import read_vectors
from sitenet.structure.cif import Crystal, read_cif
from sitenet.structure.rejection import RejectedCrystal

EDGE = 5.64  # of rock salt, A
BOHR = 0.529177  # A

CRYSTALS = Path(__file__).parents[1] / "data" / "crystals"


def rock_salt(metal: int, anion: int) -> Crystal:
    primitive = EDGE / 2 * (np.ones((3, 3)) - np.eye(3))
    return Crystal(primitive, np.array([metal, anion]), np.array([[0.0] * 3, [0.5] * 3]),
                   np.zeros(2))  # fmt: skip


def test_orbital_field_matrix_of_rock_salt() -> None:
    """Na 3s1, Cl 3s2 3p5; six neighbours of weight 1 at half the edge, mean over both atoms."""
    s1, s2, p5 = 0, 1, 2 + 4
    expected = np.zeros((32, 32))
    expected[[s2, p5], s1] = expected[s1, [s2, p5]] = 6 / (EDGE / 2 / BOHR) / 2
    matrix = descriptor(rock_salt(11, 17), "ofm").reshape(32, 32)
    assert matrix == pytest.approx(expected, rel=1e-4)


def test_powder_pattern_of_rock_salt() -> None:
    """The strongest line is (200): sin(theta) = 1.54184 A / edge, 2 theta = 31.7 degrees."""
    pattern = descriptor(rock_salt(11, 17), "xrd")
    assert pattern.argmax() == round(np.degrees(2 * np.arcsin(1.54184 / EDGE)))
    assert pattern.sum() == pytest.approx(1, abs=0.01)  # a density over 127 degrees


@pytest.mark.parametrize("kind", ["ofm", "xrd"])
def test_a_supercell_is_the_same_crystal(kind: str) -> None:
    small = rock_salt(11, 17)
    shifts = np.array([[0.0, 0, 0], [1, 0, 0]])
    frac = (small.frac[:, None] + shifts).reshape(-1, 3) / [2, 1, 1]
    double = Crystal(
        small.lattice * [[2], [1], [1]], np.repeat(small.numbers, 2), frac, np.zeros(4)
    )
    first, second = descriptor(small, kind), descriptor(double, kind)
    assert second == pytest.approx(first, abs=1e-5 * float(first.max()))


def test_shards_hold_the_chosen_and_list_what_failed(tmp_path: Path) -> None:
    crystals = {"a": rock_salt(11, 17), "unused": rock_salt(3, 9), "heavy": rock_salt(95, 8),
                "b": rock_salt(19, 35)}  # fmt: skip
    write_structures(tmp_path / "s.parquet", crystals)
    parts = []
    for part in range(2):
        out, rejected = tmp_path / f"{part}.parquet", tmp_path / f"{part}.csv"
        build_descriptors(
            tmp_path / "s.parquet", ["b", "heavy", "a"], "ofm", part, 2, out, rejected
        )
        parts.append(out)
    assert [pd.read_parquet(path).id.tolist() for path in parts] == [["a"], ["b"]]
    (failed,) = pd.read_csv(tmp_path / "1.csv").itertuples(index=False)
    assert failed.id == "heavy"
    assert failed.reason == "no ofm: KeyError: 95"
    assert len(pd.read_csv(tmp_path / "0.csv")) == 0
    both = read_vectors(parts, ["b", "a"])
    assert both[0].tolist() == descriptor(crystals["b"], "ofm").tolist()
    assert both[1].tolist() == descriptor(crystals["a"], "ofm").tolist()


def test_numbers_that_are_not_finite_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "sitenet.crystal.descriptors.powder_pattern", lambda crystal: np.array([1.0, np.nan])
    )
    with pytest.raises(RejectedCrystal, match="xrd is not finite"):
        descriptor(rock_salt(11, 17), "xrd")


@pytest.fixture(scope="module")
def matminer() -> Any:
    return pytest.importorskip("matminer.featurizers.structure")


def sparse() -> Crystal:
    """Atoms in planes 18 A apart: their Voronoi cells end beyond the first radius."""
    return Crystal(np.diag([3.0, 3.2, 18.0]), np.array([29, 8]),
                   np.array([[0.0, 0, 0], [0.5, 0.5, 0.01]]), np.zeros(2))  # fmt: skip


@pytest.mark.filterwarnings("ignore")
def test_both_are_those_of_matminer(matminer: Any) -> None:
    featurizers = {"ofm": matminer.OrbitalFieldMatrix(), "xrd": matminer.XRDPowderPattern()}
    files = sorted(CRYSTALS.glob("*.cif"))
    crystals = [rock_salt(11, 17), sparse(), *(read_cif(file.read_bytes()) for file in files)]
    assert len(crystals) > 8
    for crystal in (one for one in crystals if len(one.numbers) < 7):
        structure = Structure(crystal.lattice, crystal.numbers, crystal.frac)
        for kind, featurizer in featurizers.items():
            expected = np.array(featurizer.featurize(structure.copy()), dtype=np.float32)
            largest = float(expected.max())
            assert descriptor(crystal, kind) == pytest.approx(expected, rel=0, abs=1e-9 * largest)


@pytest.mark.filterwarnings("ignore")
def test_valence_vectors_are_those_of_matminer(matminer: Any) -> None:
    expected = matminer.OrbitalFieldMatrix().ohvs
    for number in range(1, HEAVIEST + 1):
        assert valence_vector(number).tolist() == np.asarray(expected[number])[0].tolist()
