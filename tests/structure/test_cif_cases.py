"""What is accepted, noted and refused, as docs/own_crystals.md lists it."""

import numpy as np
import pytest

from sitenet.structure.cif import read_cif
from sitenet.structure.cif_file import cif_bytes
from sitenet.structure.rejection import RejectedCrystal

SALT = """data_salt
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
LABELS_ONLY = (
    SALT.replace("_atom_site_type_symbol\n", "").replace("Cl Cl1", "Cl1").replace("Na Na1", "Na1")
)
NO_OPERATORS = SALT.replace("loop_\n_symmetry_equiv_pos_as_xyz\n'x, y, z'\n", "")


def with_lines(text, *lines):
    return text.replace("_cell_length_a", "\n".join([*lines, "_cell_length_a"]))


def occupied(value):
    return SALT.replace("-0.25 1", f"-0.25 {value}")


def operators(*texts):
    return SALT.replace("'x, y, z'", "\n".join(texts))


def of_type(kind):
    return SALT.replace("Cl Cl1", f"{kind} Cl1")


ALIKE = {
    "occupancy .": occupied("."),
    "occupancy ?": occupied("?"),
    "occupancy with uncertainty": occupied("1.00(2)"),
    "no label": SALT.replace("_atom_site_label\n", "").replace(" Cl1", "").replace(" Na1", ""),
    "no type": LABELS_ONLY,
    "type ?": of_type("?"),
    "charge": of_type("Cl1-"),
    "number": of_type("Cl1"),
    "charge in front": of_type("Cl-1"),
    "operator in capitals": operators("'X,Y,Z'"),
    "operator with signs": operators("'+x,+y,+z'"),
    "operator of another cell": operators("'x+1,y,z'"),
    "operator in words": operators("x, y, z"),
    "operators twice": operators("x,y,z", "x,y,z"),
    "uncertainty": SALT.replace("_length_b 4.5", "_length_b 4.500(12)"),
    "exponent": SALT.replace("_length_b 4.5", "_length_b +45E-1"),
    "formula": with_lines(SALT, "_chemical_formula_sum 'Cl Na'", "_cell_formula_units_Z 1"),
    "formula without quotes": with_lines(SALT, "_chemical_formula_sum Na Cl"),
    "rounded formula": with_lines(SALT, "_chemical_formula_sum 'Na0.33 Cl0.33'"),
    "later dictionaries": SALT.replace("_cell_", "_cell.").replace("_atom_site_", "_atom_site."),
    "text field": SALT.replace("data_salt", "data_salt\n_x\n;\n_cell_length_a 'x\nloop_\n;"),
    "quotes": SALT.replace("Cl Cl1", "'Cl' \"Cl1\""),
    "doubled tag of no use": with_lines(SALT, "_journal_year 1", "_journal_year 2"),
    "cut-off loop of no use": SALT + "loop_\n_bond_a\n_bond_b\n1 2 3\n",
}


@pytest.mark.parametrize("case", ALIKE)
def test_alike(case):
    expected, crystal = read_cif(SALT), read_cif(ALIKE[case])
    assert ALIKE[case] != SALT
    assert crystal.note == ""
    for name in ("lattice", "numbers", "frac"):
        np.testing.assert_array_equal(getattr(crystal, name), getattr(expected, name))


FORMULA = "the composition contradicts _chemical_formula_sum"
NOTED = {
    "rounded occupancy": (occupied("0.9999"), "occupancies within 0.001 of 1 read as 1: 1"),
    "occupancy above 1 by rounding": (occupied("1.0005"), "within 0.001 of 1 read as 1: 1"),
    "capitals": (of_type("CL"), "CL read as Cl"),
    "label with letters": (LABELS_ONLY.replace("Cl1", "ClA"), "ClA read as Cl"),
    "formula": (with_lines(SALT, "_chemical_formula_sum 'Na Cl O'"), FORMULA),
    "number of an element": (with_lines(SALT, "_chemical_formula_sum 'Na2 Cl'"), FORMULA),
    "Z": (
        with_lines(SALT, "_chemical_formula_sum NaCl", "_cell_formula_units_Z 4"),
        "the cell contradicts the number of formula units (1 times NaCl, Z 4.0)",
    ),
    "half a formula": (
        with_lines(SALT, "_chemical_formula_sum 'Na2 Cl2'"),
        "(0.5 times Na2 Cl2, Z not given)",
    ),
    "formula that is none": (with_lines(SALT, "_chemical_formula_sum salt"), "not understood"),
    "space group": (
        with_lines(SALT, "_symmetry_Int_Tables_number 225"),
        "symmetry operators contradict space group number 225: 1 rotations in place of 48",
    ),
    "symbol": (
        with_lines(SALT, "_symmetry_space_group_name_H-M 'F m -3 m'"),
        "contradict space group F m -3 m",
    ),
    "no symmetry": (NO_OPERATORS, "no symmetry given: read as P 1"),
}


@pytest.mark.parametrize("case", NOTED)
def test_noted(case):
    text, note = NOTED[case]
    crystal = read_cif(text)
    assert crystal.numbers.tolist() == [11, 17]
    assert note in crystal.note


@pytest.mark.parametrize(
    ("text", "atoms", "note"),
    [
        (SALT + "H X1 ? ? ? 0\n", 2, "sites of occupancy 0 left out: 1"),
        (occupied("0.0"), 1, "sites of occupancy 0 left out: 1"),
        (with_lines(NO_OPERATORS, "_symmetry_Int_Tables_number 2"), 3, "of 2 taken from tables"),
        (with_lines(NO_OPERATORS, "_space_group_name_H-M_alt P -1"), 3, "of P -1 taken from"),
        (operators("'x,y,z'", "'y,z,x'", "'z,x,y'"), 4, "operators contradict the cell"),
        (
            operators("x,y,z,+1", "-x,-y,-z,-1").replace(
                "_symmetry_equiv_pos_as_xyz", "_space_group_symop_magn_operation.xyz"),
            3,
            "magnetic moments are not read",
        ),
        (
            SALT.replace("_occupancy", "_calc_flag").replace("5 1\n", "5 d\nX X1 . . . dum\n"),
            2,
            "dummy atoms left out: 1",
        ),
    ],
)  # fmt: skip
def test_noted_with_other_atoms(text, atoms, note):
    crystal = read_cif(text)
    assert len(crystal.numbers) == atoms
    assert note in crystal.note


def test_deuterium_counts_as_hydrogen_in_the_formula():
    heavy = SALT.replace("Na Na1", "D D1")
    for formula in ("'H Cl'", "'D Cl'"):
        note = read_cif(with_lines(heavy, f"_chemical_formula_sum {formula}")).note
        assert note == "1 D read as H"


NOT_A_NUMBER = ["1_0.5", "1,5", "nan", "inf", "4.5(", "4.5()", "0x10", "4d0", "1/3", "'4 5'",
                "\N{FULLWIDTH DIGIT FOUR}", "\N{ARABIC-INDIC DIGIT FOUR}"]  # fmt: skip


@pytest.mark.parametrize("word", NOT_A_NUMBER)
def test_only_plain_numbers(word):
    for text in (
        SALT.replace("_length_b 4.5", f"_length_b {word}"),
        SALT.replace("Cl1 0.5", f"Cl1 {word}"),
        occupied(word),
        with_lines(SALT, "_atom_type_symbol Na", f"_atom_type_oxidation_number {word}"),
    ):
        assert text != SALT
        with pytest.raises(RejectedCrystal, match=r"not a number|oxidation number of Na is"):
            read_cif(text)


@pytest.mark.parametrize(
    "kind", ["H2O", "Ow", "OW", "OH", "Wat", "Cx", "CO", "HO", "NH4", "CH3", "Xx", "X", "1Cl", "2H"]
)
def test_only_elements(kind):
    with pytest.raises(RejectedCrystal, match=f"{kind} is not an element"):
        read_cif(of_type(kind))


@pytest.mark.parametrize("label", ["H2O1", "Wat1", "OH1", "Ow1", "Cx1", "CH3", "CL1", "CA", "M1"])
def test_only_labels_of_one_meaning(label):
    with pytest.raises(RejectedCrystal, match=r"not an element|could be"):
        read_cif(LABELS_ONLY.replace("Cl1", label))


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        (["2x,y,z"], "is not a symmetry operator"),
        (["x/0,y,z"], "is not a symmetry operator"),
        (["x,y,z+1/0"], "is not a symmetry operator"),
        (["x,y,z;"], "is not a symmetry operator"),
        (["x+1e300,y,z"], "is not a symmetry operator"),
        (["x+1_0,y,z"], "is not a symmetry operator"),
        (["x,y,(z)"], "is not a symmetry operator"),
        (["x,,z"], "is not a symmetry operator"),
        (["xy,y,z"], "is not a symmetry operator"),
        (["\N{FULLWIDTH LATIN SMALL LETTER X},y,z"], "is not a symmetry operator"),
        (["x,y,z,t"], "has 4 parts, not three"),
        (["x,y,z,+1"], "has 4 parts, not three"),
        (["x,y"], "has 2 parts, not three"),
        (["x,y,y"], "does not keep volumes"),
        (["1/2,y,z"], "does not keep volumes"),
        (["-x,-y,-z"], "are no group"),
        (["x,y,z", "-x,-y,z", "x,-y,-z"], "are no group"),
        (["'x,y,z"], "a quote is not closed"),
        (["x,y,z"] * 501, "501 symmetry operators"),
    ],
)
def test_only_symmetry_operators(texts, reason):
    with pytest.raises(RejectedCrystal, match=reason):
        read_cif(operators(*texts))


REFUSED = {
    "negative occupancy": (occupied("-0.5"), "occupancy of Cl1 is negative"),
    "occupancy above 1": (occupied("1.5"), "occupancy of Cl1 is above 1"),
    "doubled tag": (with_lines(SALT, "_cell_length_a 4"), "gives _cell_length_a twice"),
    "doubled in another case": (with_lines(SALT, "_Cell_Length_A 4"), "_cell_length_a twice"),
    "doubled column": (SALT.replace("_occupancy", "_fract_z"), "_atom_site_fract_z twice"),
    "two loops": (SALT + SALT.partition("'\n")[2], "gives _atom_site_fract_x twice"),
    "far away": (SALT.replace("Cl1 0.5", "Cl1 1e300"), r"1e\+300 cells away"),
    "no position": (SALT + "H H1 ? ? ? 1\n", "position of H1 is not given"),
    "hydrogens": (SALT.replace("_occupancy", "_attached_hydrogens"), "has 1 hydrogens without"),
    "disorder": (
        SALT.replace("_occupancy", "_disorder_group").replace("0 0 0 1", "0 0 0 2"),
        "2 disorder groups",
    ),
    "unknown group": (
        with_lines(NO_OPERATORS, "_symmetry_space_group_name_H-M Q7"), "space group Q7 is unknown"),
    "no such number": (with_lines(NO_OPERATORS, "_space_group_IT_number 231"), "231 is not the"),
    "two groups": (
        with_lines(NO_OPERATORS, "_space_group_IT_number 2", "_symmetry_space_group_name_H-M P1"),
        "P1 is not number 2",
    ),
    "cell of another system": (
        with_lines(NO_OPERATORS, "_space_group_IT_number 225"), "does not fit space group 225"),
    "tag without value": (SALT.replace("_length_a 4", "_length_a"), "lacks _cell_length_a"),
    "magnetic group": (with_lines(SALT, "_space_group_magn.number_BNS 2.4"), "a magnetic space"),
    "modulated": (with_lines(SALT, "_cell_modulation_dimension 1"), "modulated"),
    "stray": (SALT.replace("data_salt", "data_salt\nfoo"), r"'foo' belongs to no tag \(line 2\)"),
    "open text": (SALT.replace("data_salt", "data_salt\n_x\n;\n"), "text field is not closed"),
    "compressed": ("\x1f\x8b\0", "NUL character"),
    "too many atoms": (SALT + "Na Na2 0 0 0.5 1\n" * 10_000, "10,002 or more sites"),
    "too long": (SALT.replace("_length_b 4.5", "_length_b 1e11"), r"a cell edge is 1e\+11 A"),
    "too thin": (SALT.replace("_length_b 4.5", "_length_b 1e300"), "a cell edge is"),
    "too empty": (
        SALT.replace("_length_b 4.5", "_length_b 900").replace("_length_c 5", "_length_c 900"),
        "per atom",
    ),
    "too large": ("#" * 2**24 + "\n", r"16 MiB \(at most 16\)"),
    "no text": (1.5, "not text"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    text, reason = REFUSED[case]
    with pytest.raises(RejectedCrystal, match=reason):
        read_cif(text)


def test_huge_lines_take_no_time():
    for line in ("_x " + "word " * 100_000, "'" * 300_000, "_a_ " * 30_000, "loop_ " * 30_000):
        with pytest.raises(RejectedCrystal):
            read_cif(f"data_x\n{line}\n")


def test_files_that_cannot_be_read(tmp_path):
    for name, reason in (("no.cif", "no such file"), (".", "a folder")):
        with pytest.raises(RejectedCrystal, match=reason):
            cif_bytes(tmp_path / name)
