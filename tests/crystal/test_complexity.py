"""CrystIT's measures: against its own values, by hand, and for a whole table."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from example_crystals import EXAMPLES, crystal
from pymatgen.io.cif import CifParser
from structure_tables import write_structures

from sitenet.analysis.crystal_complexity import write_complexity
from sitenet.crystal.complexity import NoSymmetry, complexity, entropy, symmetry_orbits

RUTILE = (
    np.diag([4.594, 4.594, 2.959]),
    np.array([22, 22, 8, 8, 8, 8]),
    np.array([[0, 0, 0], [0.5, 0.5, 0.5], [0.305, 0.305, 0], [0.695, 0.695, 0],
              [0.805, 0.195, 0.5], [0.195, 0.805, 0.5]]),
)  # fmt: skip


@pytest.mark.filterwarnings("ignore")
def test_equals_crystit(reference: Path) -> None:
    folder = reference / "complexity"
    compared = 0
    for row in pd.read_csv(folder / "crystit_v0.3.csv").to_dict("records"):
        structure = CifParser(folder / "cif" / row["file"]).parse_structures(primitive=False)[0]
        ours = asdict(
            complexity(
                structure.lattice.matrix,
                np.array(structure.atomic_numbers),
                structure.frac_coords,
            )
        )
        theirs = {key.lower(): value for key, value in row.items() if key.startswith("I_")}
        assert {key: ours[key] for key in theirs} == pytest.approx(theirs, abs=1e-9), row["file"]
        assert ours["orbits"] == row["unique_species"]
        assert ours["arity"] == row["aritySum"]
        assert ours["primitive_sites"] == row["atoms_red_uc"]
        assert ours["space_group"] == int(row["SG_spglib"].split("(")[1].rstrip(")"))
        compared += 1
    assert compared == 36


def test_rutile_by_hand() -> None:
    """P4_2/mnm: Ti on 2a (no freedom), O on 4f (x, x, 0: one)."""
    found = complexity(*RUTILE)
    assert found.i_comb == pytest.approx(np.log2(3) - 2 / 3)  # shares 1/3, 2/3
    assert found.i_coor == 0.0
    assert found.i_conf == pytest.approx(
        -(2 / 7) * np.log2(2 / 7) - (4 / 7) * np.log2(4 / 7) - (1 / 7) * np.log2(1 / 7)
    )
    assert found.i_conf_tot == pytest.approx(7 * found.i_conf)
    assert found.i_conf_dens == pytest.approx(7 * found.i_conf / (4.594**2 * 2.959))
    assert (found.i_comb_max, found.i_conf_max) == pytest.approx((1.0, 2.0))
    assert found.primitive_length**3 == pytest.approx(4.594**2 * 2.959)


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([[2, 0, 0], [0, 1, 0], [0, 0, 1]], id="a doubled, tetragonal axis broken"),
        pytest.param([[1, 1, 0], [0, 1, 0], [1, 0, 1]], id="sheared"),
        pytest.param([[1, 0, 0], [0, 1, 0], [0, 0, -1]], id="left-handed"),
    ],
)
def test_any_cell_gives_the_same(rows: list[list[int]]) -> None:
    lattice, numbers, frac = RUTILE
    matrix = np.array(rows)
    copies = round(abs(np.linalg.det(matrix)))
    shifts = [np.array([k, 0, 0]) for k in range(copies)]
    moved = np.concatenate([(frac + shift + 0.123) @ np.linalg.inv(matrix) for shift in shifts])
    other = complexity(matrix @ lattice, np.tile(numbers, copies), moved % 1)
    assert asdict(other) == pytest.approx(asdict(complexity(*RUTILE)))


@pytest.mark.parametrize(("shift", "group"), [(0.002, 221), (0.003, 99)])
def test_the_tolerance_is_that_of_crystit(shift: float, group: int) -> None:
    """Ti of a cubic perovskite moved along c (A): with symprec 0.005 the polar group is found
    between these two, with 0.001 and 0.01 on one side of both."""
    given = EXAMPLES["perovskite"]
    moved = given.frac.copy()
    moved[1, 2] += shift / given.lattice[2, 2]
    assert complexity(given.lattice, given.numbers, moved).space_group == group


def test_single_orbit_has_no_norm_to_divide_by() -> None:
    """One atom: log2(1) = 0, so the normalised measures are 0 and not NaN."""
    found = complexity(np.eye(3) * 3, np.array([84]), np.zeros((1, 3)))
    assert (found.i_comb, found.i_comb_norm, found.i_coor_norm, found.i_conf) == (0, 0, 0, 0)


def test_general_position_has_three_free_coordinates() -> None:
    rng = np.random.default_rng(0)
    lattice = np.diag([4.0, 5.1, 6.3]) + 0.4 * rng.random((3, 3))
    found = symmetry_orbits(lattice, np.array([3, 9, 26]), rng.random((3, 3)), 5e-3)
    assert found.arity.tolist() == [3, 3, 3]
    assert found.multiplicity.tolist() == [1, 1, 1]


def test_entropy() -> None:
    assert entropy(np.array([1, 1, 2, 4])) == pytest.approx(1.75)
    assert entropy(np.array([5, 0])) == 0.0
    assert entropy(np.array([0, 0])) == 0.0


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_coinciding_sites_are_refused() -> None:
    with pytest.raises(NoSymmetry):
        complexity(np.eye(3) * 3, np.array([11, 11]), np.zeros((2, 3)))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("workers", [1, 2])
def test_table_lists_failures(tmp_path: Path, workers: int) -> None:
    lattice, numbers, frac = RUTILE
    twice = np.concatenate([frac, frac])
    good = crystal(lattice, numbers, frac)
    bad = crystal(lattice, np.tile(numbers, 2), twice)
    structures = {"good": good, "twice": bad, "again": good}
    write_structures(tmp_path / "structures.parquet", structures)
    out, rejected = tmp_path / "out" / "complexity.parquet", tmp_path / "rejected.csv"
    write_complexity(tmp_path / "structures.parquet", out, rejected, workers)
    table = pd.read_parquet(out).set_index("id")
    assert table.index.tolist() == ["good", "again"]
    assert table.loc["again"].to_dict() == pytest.approx(asdict(complexity(*RUTILE)))
    failures = pd.read_csv(rejected)
    assert failures["id"].tolist() == ["twice"]
    assert failures["reason"].str.contains("space group").all()
