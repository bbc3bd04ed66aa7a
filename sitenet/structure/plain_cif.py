"""Fast reader of plain CIFs: one block, P 1 with all atoms listed, full occupancy.

This is the format that pymatgen, ASE and the Materials Project write. The result equals that of
pymatgen's `CifParser` up to rounding (sites sorted by electronegativity, fractions within 1e-4 of
1/3 and 2/3 replaced by these), at a twentieth of the time. Anything that is not fully recognised is
left to `CifParser`.
"""

import re
from dataclasses import dataclass
from math import isnan
from typing import Any

import numpy as np

from sitenet.structure.cell import CELL, lattice_from_parameters
from sitenet.structure.elements import ISOTOPES, elements

Array = np.ndarray[Any, np.dtype[Any]]

FRACT = ("_atom_site_fract_x", "_atom_site_fract_y", "_atom_site_fract_z")

_LOOP = re.compile(r"^[ \t]*loop_[ \t\r]*$", re.MULTILINE)
_SCALAR = re.compile(r"""(_\S+)[ \t]+('[^']*'|"[^"]*"|[^\s'"]\S*)""")
_SPECIES = re.compile(r"([A-Z][a-z]?)(?:\d+\.?\d*)?[+-]?")
_IDENTITY = re.compile(
    r"""(?:_(?:symmetry_equiv_pos_site_id|space_group_symop_id)\s+)?
        _(?:symmetry_equiv_pos_as_xyz|space_group_symop_operation_xyz)\s+
        (?:1\s+)?(?:'x,\s*y,\s*z'|"x,\s*y,\s*z"|x,y,z)\s*""",
    re.VERBOSE,
)
_ATOM_COLUMNS = {
    "_atom_site_type_symbol",
    "_atom_site_label",
    "_atom_site_symmetry_multiplicity",
    "_atom_site_occupancy",
    "_atom_site_thermal_displace_type",
    "_atom_site_adp_type",
    "_atom_site_B_iso_or_equiv",
    "_atom_site_U_iso_or_equiv",
    *FRACT,
}
_TYPE_COLUMNS = ["_atom_type_symbol", "_atom_type_oxidation_number"]
# Keys outside the loops read here that change how CifParser interprets the atoms.
_MEANINGFUL = re.compile("_atom|_symmetry_equiv|symop|magn|moment|modulation|wave_vector")
_THIRDS = (1 / 3, 2 / 3)


@dataclass(frozen=True)
class ParsedCif:
    """A fully occupied cell as read from text, with sites in pymatgen's order."""

    lattice: Array
    """(3, 3) rows a, b, c in A."""
    symbols: list[str]
    """n chemical symbols; heavy hydrogen is D or T."""
    labels: list[str]
    frac: Array
    """(n, 3) float64, not yet wrapped into the cell."""
    charges: list[float]
    """n oxidation numbers; 0 where the CIF gives none."""


def parse_plain(text: str) -> ParsedCif | None:
    """Read a plain CIF; None for any other text, including malformed CIFs.

    Raises:
        RejectedCrystal: the lengths and angles do not define a cell.
    """
    sections = _sections(text)
    if sections is None:
        return None
    scalars = _scalars(sections[0])
    if scalars is None:
        return None
    identity, sites = False, None
    charges: dict[str, str] = {}
    for section in sections[1:]:
        if not identity and _IDENTITY.fullmatch(section.strip()):
            identity = True
            continue
        keys, rows = _loop(section)
        if keys == _TYPE_COLUMNS and not charges:
            charges = dict(zip(rows[::2], rows[1::2], strict=True))
        elif keys and sites is None and _ATOM_COLUMNS.issuperset(keys):
            sites = {key: rows[k :: len(keys)] for k, key in enumerate(keys)}
        else:
            return None
    if not identity or sites is None:
        return None
    try:
        return _parsed([float(scalars[key]) for key in CELL], sites, charges)
    except (KeyError, ValueError):
        return None


def _sections(text: str) -> list[str] | None:
    """The part before the first loop, starting with `data_`, and the loops; None if not plain."""
    while text.startswith("#"):
        text = text.partition("\n")[2]
    text = text.strip()
    plain = (
        text.startswith("data_")
        and text.isascii()
        and "#" not in text
        and "\n;" not in text
        and "powder_pattern" not in text
        and text.count("data_") == 1
    )
    if not plain:
        return None
    sections = _LOOP.split(text)
    return None if any("loop_" in section for section in sections) else sections


def _scalars(section: str) -> dict[str, str] | None:
    """Keys and values of the lines after `data_`; None if not plain."""
    scalars = {}
    for line in section.splitlines()[1:]:
        if line := line.strip():
            match = _SCALAR.fullmatch(line)
            if match is None or _MEANINGFUL.search(match[1]):
                return None
            scalars[match[1]] = match[2]
    return scalars


def _loop(section: str) -> tuple[list[str], list[str]]:
    """Keys and words of a loop; empty lists if it is not plain."""
    words = section.split()
    keys = [word for word in words if word[0] == "_"]
    rows = words[len(keys) :]
    plain = (
        rows
        and keys == words[: len(keys)]
        and len(set(keys)) == len(keys)
        and len(rows) % max(len(keys), 1) == 0
        and "'" not in section
        and '"' not in section
    )
    return (keys, rows) if plain else ([], [])


def _parsed(
    cell: list[float], sites: dict[str, list[str]], charges: dict[str, str]
) -> ParsedCif | None:
    """The parsed cell, None if not plain. Raises KeyError or ValueError for invalid columns."""
    kinds, labels = sites["_atom_site_type_symbol"], sites["_atom_site_label"]
    if any(float(share) != 1 for share in set(sites.get("_atom_site_occupancy", ()))):
        return None
    table = elements()
    symbol_of, rank, charge_of = {}, {}, _charges(charges)
    for kind in set(kinds):
        match = _SPECIES.fullmatch(kind)
        element = table.get(match[1]) if match else None
        if match is None or element is None or isnan(element.electronegativity):
            return None
        if match[1] in ISOTOPES:
            return None  # CifParser sorts these differently
        symbol_of[kind] = match[1]
        rank[kind] = (element.electronegativity, match[1])
    values = {kind: charge_of.get(kind, charge_of.get(s, 0.0)) for kind, s in symbol_of.items()}
    if len({(s, values[kind]) for kind, s in symbol_of.items()}) != len(set(symbol_of.values())):
        return None  # one element, several charges: CifParser sorts by them
    frac = np.array([list(map(float, sites[key])) for key in FRACT]).T
    for ideal in _THIRDS:
        frac[np.abs(frac / ideal - 1) <= 1e-4] = ideal
    order = sorted(range(len(kinds)), key=lambda site: rank[kinds[site]])
    return ParsedCif(
        lattice=lattice_from_parameters(*cell),
        symbols=[symbol_of[kinds[site]] for site in order],
        labels=[labels[site] for site in order],
        frac=frac[order],
        charges=[values[kinds[site]] for site in order],
    )


def _charges(rows: dict[str, str]) -> dict[str, float]:
    """Charge by type symbol, and by the symbol without its charge suffix."""
    charges = {kind: float(value) for kind, value in rows.items()}
    bare = {re.sub(r"\d?[+,-]?$", "", kind): value for kind, value in charges.items()}
    return charges | bare
