"""Orbital field matrix and powder pattern of crystals that can be worked out by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from structure_tables import write_structures

from sitenet.crystal.descriptors import matminer_descriptor
from sitenet.shards.descriptor_shard import build_descriptors
from sitenet.shards.vectors import read_vectors
from sitenet.structure.cif import Crystal
from sitenet.structure.rejection import RejectedCrystal

EDGE = 5.64  # of rock salt, A
BOHR = 0.529177  # A


def rock_salt(metal: int, anion: int) -> Crystal:
    primitive = EDGE / 2 * (np.ones((3, 3)) - np.eye(3))
    return Crystal(primitive, np.array([metal, anion]), np.array([[0.0] * 3, [0.5] * 3]),
                   np.zeros(2))  # fmt: skip


def test_orbital_field_matrix_of_rock_salt() -> None:
    """Na 3s1, Cl 3s2 3p5; six neighbours of weight 1 at half the edge, mean over both atoms."""
    s1, s2, p5 = 0, 1, 2 + 4
    expected = np.zeros((32, 32))
    expected[[s2, p5], s1] = expected[s1, [s2, p5]] = 6 / (EDGE / 2 / BOHR) / 2
    matrix = matminer_descriptor(rock_salt(11, 17), "ofm").reshape(32, 32)
    assert matrix == pytest.approx(expected, rel=1e-4)


def test_powder_pattern_of_rock_salt() -> None:
    """The strongest line is (200): sin(theta) = 1.54184 A / edge, 2 theta = 31.7 degrees."""
    pattern = matminer_descriptor(rock_salt(11, 17), "xrd")
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
    first, second = matminer_descriptor(small, kind), matminer_descriptor(double, kind)
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
    assert failed.reason == "matminer finds no ofm: KeyError: 95"
    assert len(pd.read_csv(tmp_path / "0.csv")) == 0
    both = read_vectors(parts, ["b", "a"])
    assert both[0].tolist() == matminer_descriptor(crystals["b"], "ofm").tolist()
    assert both[1].tolist() == matminer_descriptor(crystals["a"], "ofm").tolist()


def test_numbers_that_are_not_finite_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def featurize(self, _: object) -> list[float]:
            return [1.0, np.nan]

    monkeypatch.setattr("sitenet.crystal.descriptors._featurizer", lambda kind: Broken())
    with pytest.raises(RejectedCrystal, match="matminer's xrd is not finite"):
        matminer_descriptor(rock_salt(11, 17), "xrd")
