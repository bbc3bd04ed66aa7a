"""Reading CIFs: against pymatgen, and every reason to refuse one."""

import warnings

import numpy as np
import pyarrow.parquet as pq
import pytest

from sitenet.structure.cif import read_cif
from sitenet.structure.overlapping_atoms import heights, overlapping_pair
from sitenet.structure.rejection import RejectedCrystal

SALT = """# made by hand
data_salt
_cell_length_a 4
_cell_length_b 4.5
_cell_length_c 5
_cell_angle_alpha 90
_cell_angle_beta 95
_cell_angle_gamma 100
loop_
_symmetry_equiv_pos_as_xyz
'x, y, z'
loop_
_atom_site_type_symbol
_atom_site_label
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Cl Cl1 0.5 0.3333 -0.25 1
Na Na1 0 0 0 1
"""


def pymatgen_structure(text):
    from pymatgen.io.cif import CifParser

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return CifParser.from_str(text).parse_structures(primitive=False)[0]


def assert_like_pymatgen(text):
    crystal, expected = read_cif(text), pymatgen_structure(text)
    np.testing.assert_allclose(crystal.lattice, expected.lattice.matrix, atol=1e-10, rtol=0)
    charges = [getattr(site.specie, "oxi_state", None) or 0 for site in expected]
    numbers = np.array([site.specie.Z for site in expected])
    own, order = in_order(crystal.numbers, crystal.frac), in_order(numbers, expected.frac_coords)
    assert crystal.numbers.tolist() == numbers.tolist()
    difference = crystal.frac[own] - expected.frac_coords[order]
    np.testing.assert_allclose(difference - np.rint(difference), 0, atol=1e-10)
    np.testing.assert_allclose(crystal.oxidation[own], np.array(charges)[order])


def in_order(numbers, frac):
    """Indices that sort sites by element and position: images may come in any order."""
    return np.lexsort([*(np.round(frac, 6) % 1).T, numbers])


def test_plain_cif_gives_what_pymatgen_gives():
    assert_like_pymatgen(SALT)
    crystal = read_cif(SALT)
    assert crystal.numbers.tolist() == [11, 17]  # by electronegativity
    np.testing.assert_array_equal(crystal.frac[1], [0.5, 1 / 3, 0.75])


def with_charges(text, charges):
    loop = "loop_\n_atom_type_symbol\n_atom_type_oxidation_number\n"
    rows = "".join(f"{kind} {charge}\n" for kind, charge in charges.items())
    return text.replace("loop_\n_symmetry", f"{loop}{rows}loop_\n_symmetry")


def test_oxidation_states_are_read():
    text = SALT.replace("Cl Cl1", "Cl1- Cl1").replace("Na Na1", "Na+ Na1")
    charged = with_charges(text, {"Na+": 1, "Cl1-": -1})
    assert_like_pymatgen(charged)
    assert read_cif(charged).oxidation.tolist() == [1, -1]
    assert read_cif(text).oxidation.tolist() == [0, 0]


def test_two_charges_of_an_element():
    text = SALT.replace("Cl Cl1", "Fe3+ Fe1").replace("Na Na1", "Fe2+ Fe2")
    charged = with_charges(text, {"Fe2+": 2, "Fe3+": 3})
    assert_like_pymatgen(charged)
    assert read_cif(charged).oxidation.tolist() == [2, 3]


@pytest.mark.parametrize(
    "change",
    [
        ("_cell_length_a 4\n", "_cell_length_a 4.000(2)\n"),
        ("'x, y, z'\n", "'x, y, z'\n'-x, -y, -z'\n"),
        ("loop_\n_symmetry_equiv_pos_as_xyz\n'x, y, z'\n", "_symmetry_Int_Tables_number 2\n"),
        ("data_salt", "data_salt\n_publ_comment\n;\n_atom_site_label\n;"),
        ("0 0 0 1", "0 0 0 1 # a comment"),
    ],
)
def test_variants_give_what_pymatgen_gives(change):
    text = SALT.replace(*change)
    assert text != SALT
    assert_like_pymatgen(text)


def test_real_cifs_agree_with_pymatgen(shared):
    texts = pq.read_table(shared / "data" / "mp_33k.parquet", columns=["cif"]).column("cif")
    for k in np.random.default_rng(5).choice(len(texts), 150, replace=False):
        text = texts[int(k)].as_py()
        assert_like_pymatgen(text)


def test_reference_cifs_agree_with_pymatgen(reference):
    files = sorted(reference.rglob("*.cif"))
    assert len(files) == 41
    for path in files:
        assert_like_pymatgen(path.read_text())


def test_ordered_and_disordered_files(shared):
    files = sorted((shared / "data" / "disordered_cif").glob("*.cif"))
    refused = set()
    for path in files:
        text = path.read_bytes()
        if pymatgen_structure(text.decode()).is_ordered:
            assert_like_pymatgen(text.decode())
        else:
            refused.add(path.stem)
            with pytest.raises(RejectedCrystal, match="partial occupancy"):
                read_cif(text)
    assert {"K3C60", "YBa2Cu3O6.9", "Au10Cu90"} <= refused
    assert len(refused) < len(files)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("Cl1 0.5 0.3333 -0.25 1", "Cl1 0.5 0.3333 -0.25 0.65"), "Cl1 is only 0.65 occupied"),
        (("-0.25 1\n", "-0.25 .5\nBr Br1 0.5 0.3333 -0.25 .5\n"), "Cl1 is shared by several"),
        (("Cl Cl1", "'0.8Nb + 0.2Zr' Nb"), "partial occupancy"),
        (("-0.25 1", "-0.25 1.2"), "occupancy of Cl1 is above 1: 1.2"),
        (("Cl Cl1", "Xx Xx1"), "Xx is not an element"),
        (("Cl Cl1", "Fa Fa1"), "Fa is not an element"),
        (("Cl Cl1", "OH OH1"), "OH is not an element \\(it may stand for hydrogens"),
        (("Cl Cl1", "Fm Fm1"), r"Fm \(Z = 100\) is too heavy"),
        (("_length_a 4", "_length_a nan"), "length a is not a number: nan"),
        (("_length_a 4", "_length_a 1e999"), "length a is not a finite number"),
        (("_length_a 4", "_length_a -4"), "length a is -4"),
        (("_alpha 90", "_alpha 180"), "angle alpha is 180"),
        (("_gamma 100", "_gamma 179"), "no volume"),
        (("Cl1 0.5", "Cl1 nan"), "position of Cl1 is not a number: nan"),
        (("Cl1 0.5", "Cl1 ?"), "position of Cl1 is not given"),
        (("_cell_length_b 4.5\n", ""), "lacks _cell_length_b"),
        (("_length_a 4\n", "_length_a 0.3\n"), "repeats after 0.3 A"),
        (("-0.25 1\n", "-0.25 1\nCl Cl2 0.5 0.3333 -0.25 1\n"), "Cl1 and Cl2 are 0.00 A apart"),
        (("Cl1 0.5 0.3333 -0.25", "Cl1 0.95 0.99 0.99"), "Na1 and Cl1 are 0.2. A apart"),
        (("Na Na1 0 0 0 1", "Na Na1 0 0 0"), "cut off"),
        (("Cl Cl1 0.5 0.3333 -0.25 1\nNa Na1 0 0 0 1\n", ""), "empty or cut off"),
        (("data_salt", "salt"), "not a CIF"),
        (("fract_x", "cartn_x"), "lacks _atom_site_fract_x"),
        (("_atom_site_fract", "_atom_sight_fract"), "lists no atom sites"),
    ],
)
def test_unusable_crystals_are_refused(change, reason):
    text = SALT.replace(*change)
    assert text != SALT
    with pytest.raises(RejectedCrystal, match=reason) as caught:
        read_cif(text)
    assert caught.value.reason == str(caught.value)


def test_several_structures_are_refused_but_other_blocks_are_not():
    with pytest.raises(RejectedCrystal, match="2 structures"):
        read_cif(SALT + SALT)
    assert len(read_cif("data_global\n_journal_year 1999\n" + SALT).numbers) == 2


def test_text_that_is_none():
    for empty in ("", "\n ", b""):
        with pytest.raises(RejectedCrystal, match="empty"):
            read_cif(empty)
    with pytest.raises(RejectedCrystal, match="NUL character"):
        read_cif(SALT.encode() + b"\0")


@pytest.mark.parametrize("prefix", ["", "\ufeff"])
def test_bytes_and_windows_line_ends(prefix):
    crystal = read_cif((prefix + SALT.replace("\n", "\r\n")).encode())
    np.testing.assert_array_equal(crystal.frac, read_cif(SALT).frac)


def test_heavy_hydrogen_becomes_hydrogen_with_a_note():
    crystal = read_cif(SALT.replace("Cl Cl1", "D D1"))
    assert sorted(crystal.numbers.tolist()) == [1, 11]
    assert crystal.note == "1 D read as H"
    assert read_cif(SALT.replace("Cl Cl1", "T T1")).note == "1 T read as H"
    charged = with_charges(SALT.replace("Cl Cl1", "D D1"), {"D": 1, "Na": 0})
    assert read_cif(charged).note == "1 D read as H"
    assert read_cif(charged).oxidation.tolist() == [0, 1]
    assert read_cif(SALT).note == ""


def test_fractions_are_in_the_cell():
    crystal = read_cif(SALT.replace("Cl1 0.5 0.3333 -0.25", "Cl1 -1e-18 1.0 -3.25"))
    assert crystal.frac[1].tolist() == [0.0, 0.0, 0.75]


def brute_force(lattice, frac):
    """Smallest distance over 11 images each way, own images included."""
    images = np.mgrid[-11:12, -11:12, -11:12].reshape(3, -1).T
    smallest = np.inf
    for i in range(len(frac)):
        for j in range(i, len(frac)):
            vectors = (frac[j] - frac[i] + images) @ lattice
            distance = np.sqrt((vectors**2).sum(axis=1))
            smallest = min(smallest, distance[distance > (1e-9 if i == j else -1)].min())
    return smallest


def test_overlap_check_equals_brute_force():
    rng = np.random.default_rng(0)
    found = {True: 0, False: 0}
    for trial in range(120):
        skew = rng.integers(-3, 4, 3) if trial % 2 else np.zeros(3)
        shear = np.array([[1, 0, 0], [skew[0], 1, 0], [skew[1], skew[2], 1]])
        lattice = shear @ (np.diag(rng.uniform(0.4, 3, 3)) + rng.normal(0, 0.2, (3, 3)))
        frac = rng.random((3, 3))
        smallest = brute_force(lattice, frac)
        pair = overlapping_pair(lattice, frac, heights(lattice), 0.5)
        assert (pair is not None) == (smallest < 0.5)
        found[pair is not None] += 1
    assert min(found.values()) > 20


def test_overlap_in_a_large_cell():
    rng = np.random.default_rng(1)
    grid = np.mgrid[:12, :12, :12].reshape(3, -1).T / 12
    frac = grid + rng.normal(0, 0.002, grid.shape)
    lattice = np.diag([30.0, 31.0, 32.0])
    assert overlapping_pair(lattice, frac, heights(lattice), 0.5) is None
    frac[1500] = frac[7] + [1.0, -1.0, 0.01]
    first, second, distance = overlapping_pair(lattice, frac, heights(lattice), 0.5)
    assert (first, second) == (7, 1500)
    assert distance == pytest.approx(0.32)
