"""Crystals that no solid is are refused at once, with the reason."""

import time

import numpy as np
import pytest

from sitenet.structure.cif import read_cif
from sitenet.structure.limits import MOST_SITES
from sitenet.structure.rejection import RejectedCrystal


def cif(a, b, c, frac, operators=("x,y,z",)) -> str:
    """A CIF of iron atoms in an orthorhombic cell."""
    rows = "".join(f"Fe{k} Fe {x:.6f} {y:.6f} {z:.6f}\n" for k, (x, y, z) in enumerate(frac))
    return (
        f"data_x\n_cell_length_a {a}\n_cell_length_b {b}\n_cell_length_c {c}\n"
        "_cell_angle_alpha 90\n_cell_angle_beta 90\n_cell_angle_gamma 90\n"
        "loop_\n_symmetry_equiv_pos_as_xyz\n" + "".join(f"'{o}'\n" for o in operators)
        + "loop_\n_atom_site_label\n_atom_site_type_symbol\n"
        "_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n" + rows
    )  # fmt: skip


ORIGIN = [(0.0, 0.0, 0.0)]


@pytest.mark.parametrize(
    ("edges", "reason"),
    [
        (("1e11", "3", "3"), r"a cell edge is 1e\+11 A \(at most 1000\)"),
        (("1001", "3", "3"), "a cell edge is 1001 A"),
        (("1e-3", "1e-3", "1e-3"), "no volume"),
        (("0.7", "0.7", "0.7"), r"the cell has 0\.343 A\^3 per atom"),
        (("100", "100", "100"), r"the cell has 1e\+06 A\^3 per atom"),
        (("1e308", "1e308", "1e308"), "a cell edge"),
    ],
)
def test_impossible_cells(edges, reason):
    with pytest.raises(RejectedCrystal, match=reason):
        read_cif(cif(*edges, ORIGIN))


def test_a_slab_and_a_molecule_in_a_box_are_possible():
    for edges in ((2.5, 2.5, 240), (20, 20, 20)):
        assert len(read_cif(cif(*edges, ORIGIN)).numbers) == 1


def test_very_many_sites_are_refused_before_anything_is_done_with_them():
    start = time.process_time()
    frac = np.random.default_rng(0).random((100_000, 3))
    with pytest.raises(RejectedCrystal, match=f"100,000 or more sites .at most {MOST_SITES:,}"):
        read_cif(cif(300, 300, 300, frac))
    assert time.process_time() - start < 5


def test_sites_made_by_symmetry_count():
    frac = np.random.default_rng(0).random((MOST_SITES // 2 + 1, 3))
    with pytest.raises(RejectedCrystal, match="or more sites"):
        read_cif(cif(300, 300, 300, frac, ("x,y,z", "-x,-y,-z")))
