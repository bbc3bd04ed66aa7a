"""The atoms that a CIF lists: element, position and charge of each, all of them fully occupied."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sitenet.structure.atom_types import is_guess, symbol_of_label, symbol_of_type
from sitenet.structure.cif_syntax import MISSING, Block
from sitenet.structure.limits import check_sites
from sitenet.structure.plain_number import measured_number, plain_numbers
from sitenet.structure.rejection import RejectedCrystal

Array = np.ndarray[Any, np.dtype[Any]]

FRACT = ("_atom_site_fract_x", "_atom_site_fract_y", "_atom_site_fract_z")

ROUNDING = 0.001
"""Occupancies that differ less from 1 are full."""

FARTHEST = 1000.0
"""Largest fraction, in cells from the origin."""

HIGHEST_CHARGE = 12.0

_THIRDS = (1 / 3, 2 / 3)
_FULL = {"1", *MISSING}
_PARTIAL = "(partial occupancy is not supported)"


@dataclass(frozen=True)
class AtomSites:
    """The n atoms that a CIF lists, without their images by symmetry."""

    symbols: list[str]
    """Chemical symbols; heavy hydrogen is D or T."""
    labels: list[str]
    frac: Array
    """(n, 3) float64; fractions within 1e-4 of 1/3 and 2/3 have these values, as in pymatgen."""
    charges: list[float]
    """Oxidation numbers; 0 where the CIF gives none."""
    notes: list[str]
    """What was changed when reading."""


def has_sites(block: Block) -> bool:
    """Whether a data block lists atoms, in whatever way."""
    return any(tag.startswith(("_atom_site_fract_", "_atom_site_cartn_")) for tag in block.columns)


def read_sites(block: Block) -> AtomSites:
    """Read the atoms of a data block.

    Raises:
        RejectedCrystal: partial occupancy; unknown elements; missing positions; alternative
            positions; hydrogens that are only counted.
    """
    notes: list[str] = []
    rows = _rows(block, notes)
    kinds, symbols = _symbols(rows, notes)
    labels = rows.get("_atom_site_label") or [f"{s}{k}" for k, s in enumerate(symbols, start=1)]
    _check_occupancy(rows, labels, notes)
    _check_completeness(rows, labels)
    frac = np.array([_fractions(rows[tag], labels) for tag in FRACT]).T
    for ideal in _THIRDS:
        frac[np.abs(frac / ideal - 1) <= 1e-4] = ideal
    return AtomSites(symbols, labels, frac, _charges(block, kinds, symbols, notes), notes)


def _rows(block: Block, notes: list[str]) -> dict[str, list[str]]:
    """The columns about atoms, without dummy atoms."""
    columns = {}
    for tag in (*FRACT, *_FURTHER):
        values = block.column(tag)
        if values is not None:
            columns[tag] = values
    for tag in FRACT:
        if tag not in columns:
            raise RejectedCrystal(f"the CIF lacks {tag}")
    size = len(columns[FRACT[0]])
    if any(len(values) != size for values in columns.values()):
        raise RejectedCrystal("malformed CIF: the atoms are listed in several loops")
    for tag, is_none, what in _NO_ATOMS:
        none = [is_none(value) for value in columns.get(tag, ())]
        if any(none):
            notes.append(f"{what} left out: {sum(none)}")
            columns = {
                tag: [value for value, left_out in zip(values, none, strict=True) if not left_out]
                for tag, values in columns.items()
            }
    check_sites(len(columns[FRACT[0]]))
    if not columns[FRACT[0]]:
        raise RejectedCrystal("the CIF lists no atom sites")
    return columns


_NO_ATOMS = (
    ("_atom_site_calc_flag", lambda flag: flag.lower() == "dum", "dummy atoms"),
    ("_atom_site_occupancy", lambda share: measured_number(share) == 0, "sites of occupancy 0"),
)
_FURTHER = (
    "_atom_site_label",
    "_atom_site_type_symbol",
    "_atom_site_occupancy",
    "_atom_site_calc_flag",
    "_atom_site_attached_hydrogens",
    "_atom_site_disorder_group",
)


def _symbols(rows: dict[str, list[str]], notes: list[str]) -> tuple[list[str], list[str]]:
    """Type of each atom as the CIF gives it (empty if it does not), and its chemical symbol."""
    labels, kinds = rows.get("_atom_site_label"), rows.get("_atom_site_type_symbol")
    if kinds is None and labels is None:
        raise RejectedCrystal("the CIF has neither type symbols nor labels of its atoms")
    kinds = ["" if kind in MISSING else kind for kind in kinds or [""] * len(labels or ())]
    symbols: dict[tuple[str, str], str] = {}
    guesses = {}
    atoms = [(kind, "" if kind or not labels else labels[k]) for k, kind in enumerate(kinds)]
    for kind, label in dict.fromkeys(atoms):
        if " + " in kind:
            raise RejectedCrystal(f"a site is shared by {kind} {_PARTIAL}")
        symbol = symbol_of_type(kind) if kind else symbol_of_label(label)
        if is_guess(kind or label, symbol):
            guesses[kind or label] = symbol
        symbols[kind, label] = symbol
    notes += [f"{given} read as {symbol}" for given, symbol in guesses.items()]
    return kinds, [symbols[atom] for atom in atoms]


def _check_occupancy(rows: dict[str, list[str]], labels: list[str], notes: list[str]) -> None:
    """Raise unless each atom is fully occupied, which is what CIF takes for granted."""
    if set(rows.get("_atom_site_occupancy", ())) <= _FULL:
        return
    rounded = 0
    for text, label in zip(rows.get("_atom_site_occupancy", ()), labels, strict=False):
        if text in _FULL:
            continue
        share = measured_number(text)
        if share is None:
            raise RejectedCrystal(f"the occupancy of {label} is not a number: {text[:40]}")
        if not abs(share - 1) <= ROUNDING * (1 + 1e-9):
            raise RejectedCrystal(_share(share, label, rows))
        rounded += share != 1
    if rounded:
        notes.append(f"occupancies within {ROUNDING} of 1 read as 1: {rounded}")


def _share(share: float, label: str, rows: dict[str, list[str]]) -> str:
    """What is wrong with an occupancy."""
    if share < 0:
        return f"the occupancy of {label} is negative: {share:g}"
    if share > 1:
        return f"the occupancy of {label} is above 1: {share:g}"
    places = list(zip(*(rows[tag] for tag in FRACT), strict=True))
    labels = rows.get("_atom_site_label", [])
    if label in labels and places.count(places[labels.index(label)]) > 1:
        return f"site {label} is shared by several atoms {_PARTIAL}"
    return f"site {label} is only {share:.4g} occupied {_PARTIAL}"


def _check_completeness(rows: dict[str, list[str]], labels: list[str]) -> None:
    """Raise if atoms are alternatives of one another, or stand for further ones."""
    for count, label in zip(rows.get("_atom_site_attached_hydrogens", ()), labels, strict=False):
        if count not in MISSING and measured_number(count) != 0:
            raise RejectedCrystal(f"site {label} has {count[:9]} hydrogens without positions")
    groups = set(rows.get("_atom_site_disorder_group", ())) - {*MISSING, "0"}
    if len(groups) > 1:
        raise RejectedCrystal(f"the CIF has {len(groups)} disorder groups: alternative positions")


def _fractions(column: Sequence[str], labels: list[str]) -> list[float]:
    """One coordinate of all atoms."""
    values = plain_numbers(column)
    if values is not None and max(map(abs, values)) <= FARTHEST:
        return values
    values = []
    for text, label in zip(column, labels, strict=True):
        value = measured_number(text)
        if value is None:
            if text in MISSING:
                raise RejectedCrystal(f"the position of {label} is not given")
            raise RejectedCrystal(f"the position of {label} is not a number: {text[:40]}")
        if not abs(value) <= FARTHEST:
            raise RejectedCrystal(f"the position of {label} is {value:.3g} cells away")
        values.append(value)
    return values


def _charges(
    block: Block, kinds: Sequence[str], symbols: Sequence[str], notes: list[str]
) -> list[float]:
    """Oxidation number of each atom by its type, or by the type without its charge."""
    types = block.column("_atom_type_symbol")
    numbers = block.column("_atom_type_oxidation_number")
    none = [0.0] * len(symbols)
    if types is None or numbers is None or set(numbers) & set(MISSING):
        return none
    if len(types) != len(numbers):
        raise RejectedCrystal("malformed CIF: types and oxidation numbers are not in one loop")
    exact: dict[str, set[float]] = {}
    bare: dict[str, set[float]] = {}
    for kind, text in zip(types, numbers, strict=True):
        value = measured_number(text)
        if value is None or not abs(value) <= HIGHEST_CHARGE:
            raise RejectedCrystal(f"the oxidation number of {kind} is {text[:40]}")
        exact.setdefault(kind, set()).add(value)
        bare.setdefault(re.sub(r"[0-9]?[+-]?$", "", kind), set()).add(value)
    charges = []
    for kind, symbol in zip(kinds, symbols, strict=True):
        found = exact.get(kind) or bare.get(symbol, {0.0})
        if len(found) > 1:
            notes.append(f"no oxidation states: that of {kind or symbol} is ambiguous")
            return none
        charges.append(next(iter(found)))
    return charges
