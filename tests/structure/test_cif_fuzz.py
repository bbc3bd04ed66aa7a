"""Damaged CIFs: whatever is read has the cell, sites and composition of the text, or a note."""

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core.operations import SymmOp

from sitenet.structure.cif import LARGEST_Z, read_cif
from sitenet.structure.elements import symbols
from sitenet.structure.rejection import RejectedCrystal
from sitenet.structure.space_group import OPERATORS

CRYSTALS = Path(__file__).parents[1] / "data" / "crystals"

CINNABAR = """data_HgS # P 32 2 1
_cell_length_a   4.149(2)
_cell_length_b   4.149(2)
_cell_length_c   9.495(3)
_cell_angle_alpha 90
_cell_angle_beta  90
_cell_angle_gamma 120
_space_group_IT_number 154
_symmetry_space_group_name_H-M 'P 32 2 1'
_chemical_formula_sum 'Hg S'
_cell_formula_units_Z 3
_publ_section_title
;
 A text with _cell_length_a 5 and loop_ in it.
;
loop_
_space_group_symop_operation_xyz
'x, y, z'
'-y, x-y, z+2/3'
'-x+y, -x, z+1/3'
'y, x, -z'
'-x, -x+y, -z+2/3'
'x-y, -y, -z+1/3'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_occupancy
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Hg1 Hg2+ 1.0 0.7198(5) 0 0.66666
S1  S2-  1.0 0.4889 0 0.16667
"""
BASES = [CINNABAR, *((CRYSTALS / f"{name}.cif").read_text() for name in ("TiO2", "PbO", "TiAs"))]

TRIALS = 1500

ODD = ["nan", "inf", "-1", "1,5", "1_0", "1e300", "'", '"', ";", "#", "?", ".", "0", "2", "(2)",
       "0.9999", "0.5", "2x,y,z", "'x,y,z,1'", "_cell_length_a", "loop_", "data_x", "D", "H2O",
       "Xx", "\n", "\r", "\0", "\N{FULLWIDTH DIGIT ONE}", "\N{ARABIC-INDIC DIGIT THREE}",
       "_atom_site_fract_x", "_chemical_formula_sum", "'Fe O'", "'x-y, -y, -z'"]  # fmt: skip


def damaged(text, rng):
    """The text with one to three changes of words, lines or characters."""
    for _ in range(rng.integers(1, 4)):
        kind = rng.integers(6)
        if kind == 5:  # one character
            k = int(rng.integers(len(text)))
            text = (
                text[:k]
                + ["", text[k] * 2, chr(rng.integers(32, 127))][rng.integers(3)]
                + (text[k + 1 :])
            )
            continue
        # Words with the spaces after them, or whole lines.
        pieces = re.findall(r"\S+\s*|^\s+" if kind else r"[^\n]*\n", text)
        k = int(rng.integers(len(pieces)))
        space = re.search(r"\s*$", pieces[k])[0]
        new = [[], [pieces[k]] * 2, [ODD[rng.integers(len(ODD))] + space], [pieces[k - 1]]]
        pieces[k : k + 1] = new[rng.integers(len(new))]
        text = "".join(pieces)
    return text if rng.random() > 0.05 else text[: rng.integers(len(text))]


def plain_reading(text):
    """Cell, and sites as a set of symbol and position; None if the text is not plain enough.

    Written to be as simple as can be: a scalar is a line of two words, a loop has a row per line.
    """
    text = re.sub(r"(?m)^;(?s:.*?)\n;", "", text.replace("\r\n", "\n").replace("\r", "\n"))
    lines = (re.sub(r"(^|\s)#.*", "", line) for line in text.split("\n"))
    rows = [row for line in lines if (row := re.findall(r"'[^']*'|\S+", line))]
    scalars = {row[0].lower(): row[1] for row in rows if len(row) == 2}
    columns, tags = {}, []
    for row in rows:
        word = row[0].lower()
        if word == "loop_":
            tags = []
        elif word.startswith("_") and len(row) == 1:
            tags.append(word)
            columns[word] = []
        elif word.startswith("_"):
            tags = []
        elif tags and len(row) != len(tags):
            return None
        else:
            for tag, cell in zip(tags, row, strict=False):
                columns[tag].append(cell.strip("'"))
    try:
        cell = [number(scalars[f"_cell_{name}"]) for name in CELL]
        operators = [SymmOp.from_xyz_str(one) for one in next(
            cells for tag, cells in columns.items() if tag in OPERATORS)]  # fmt: skip
        symbols = [re.match("[A-Za-z]+", kind)[0] for kind in columns["_atom_site_type_symbol"]]
        places = np.array([[number(w) for w in columns[f"_atom_site_fract_{x}"]] for x in "xyz"]).T
        full = [number(share) != 0 for share in columns["_atom_site_occupancy"]]
    except (KeyError, ValueError, StopIteration, TypeError):
        return None
    for ideal in (1 / 3, 2 / 3):
        places[np.abs(places / ideal - 1) <= 1e-4] = ideal
    sites = {
        (re.sub("^[DT]$", "H", symbol.title()), *rounded(operator.operate(place)))
        for symbol, place, there in zip(symbols, places, full, strict=True)
        if there
        for operator in operators
    }
    return cell, sites


CELL = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")


def number(word):
    """1 for unknown occupancies; a value without its uncertainty."""
    return 1.0 if word in ("?", ".") else float(re.sub(r"\(\d+\)$", "", word))


def rounded(place):
    return tuple((np.round(np.asarray(place) % 1, 3) % 1).tolist())


def lengths_and_angles(lattice):
    size = np.linalg.norm(lattice, axis=1)
    cosine = (lattice @ lattice.T) / np.outer(size, size)
    angle = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    return [*size, angle[1, 2], angle[0, 2], angle[0, 1]]


def test_damaged_cifs_are_read_as_they_are_or_refused():
    rng = np.random.default_rng(0)
    whole = [Counter(read_cif(base).numbers.tolist()) for base in BASES]
    outcome = Counter()
    for trial in range(TRIALS):
        base = trial % len(BASES)
        text = damaged(BASES[base], rng)
        try:
            crystal = read_cif(text if trial % 3 else text.encode())
        except RejectedCrystal:
            outcome["refused"] += 1
            continue
        present = Counter(crystal.numbers.tolist())
        assert np.isfinite(crystal.lattice).all()
        assert ((crystal.frac >= 0) & (crystal.frac < 1)).all()
        assert set(present) <= set(range(1, LARGEST_Z + 1))
        same = {z: n * sum(whole[base].values()) for z, n in present.items()} == {
            z: n * sum(present.values()) for z, n in whole[base].items()
        }
        assert same or crystal.note, text
        outcome["noted" if crystal.note else "kept"] += 1
        plain = plain_reading(text)
        if plain is None:
            continue
        cell, sites = plain
        np.testing.assert_allclose(lengths_and_angles(crystal.lattice), cell, rtol=1e-6)
        own = {
            (symbols()[z], *rounded(place))
            for z, place in zip(crystal.numbers.tolist(), crystal.frac, strict=True)
        }
        assert own == sites, text
        outcome["compared"] += 1
    assert min(outcome[kind] for kind in ("refused", "noted", "kept", "compared")) > TRIALS / 50


@pytest.mark.parametrize("base", BASES)
def test_what_does_not_matter_changes_nothing(base):
    """Case of tags, line ends, order of columns, comments, encoding."""
    expected = read_cif(base)
    tags = re.sub(r"(?m)^\s*(_\S+|loop_|data_)", lambda m: m[0].upper(), base)
    commented = base.replace("\nloop_", "\n# caf\N{LATIN SMALL LETTER E WITH ACUTE}\nloop_")
    for other in (
        tags,
        base.replace("\n", "\r\n"),
        base.replace("\n", "\r"),
        "\ufeff" + base,
        base + "\n\x1a",
        commented.encode("latin-1"),
        commented.encode("utf-16"),
        "data_empty\n_x 1\n" + base,
        base + "\nloop_\n_geom_bond_distance\n_geom_bond_publ_flag\n1.0 ? 2.0\n",
    ):
        crystal = read_cif(other)
        assert crystal.note == expected.note
        for name in ("lattice", "numbers", "frac", "oxidation"):
            np.testing.assert_array_equal(getattr(crystal, name), getattr(expected, name))
