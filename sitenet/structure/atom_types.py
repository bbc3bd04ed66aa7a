"""Chemical symbols from the type symbols and labels of a CIF's atoms."""

import re
from functools import lru_cache

from sitenet.structure.elements import elements
from sitenet.structure.rejection import RejectedCrystal

_TYPE = re.compile(r"([A-Za-z]{1,2})(?:[0-9]*\.?[0-9]*[+-]?|[+-][0-9]*\.?[0-9]*)")
_LABEL = re.compile(r"([A-Z][a-z]?)(?![a-z])([A-Z]?)")
_HYDROGEN = re.compile(r"OH|O-H|OW|wat|[HDT][23]O", re.IGNORECASE)
_GROUPS = ("CN", "CO", "HO", "NH", "NO", "PO")
"""Capitals that may stand for a group of atoms or for one, such as Co."""


@lru_cache(maxsize=10_000)
def symbol_of_type(kind: str) -> str:
    """Symbol of a type: an element, perhaps with a charge or a number (Fe, Fe3+, O2-, Fe1, D).

    Raises:
        RejectedCrystal: it is anything else, such as H2O, Ow, OH or Cx.
    """
    match = _TYPE.fullmatch(kind)
    letters = match[1] if match else ""
    if letters in elements():
        return letters
    if letters.title() not in elements() or letters in _GROUPS:
        raise _no_element(kind)
    return letters.title()  # FE, na


@lru_cache(maxsize=10_000)
def symbol_of_label(label: str) -> str:
    """Symbol of an atom for which there is only a label: Fe1, O12A, FeA, AL1.

    Raises:
        RejectedCrystal: it begins with no element, could begin with two, or is a group with H.
    """
    match = _LABEL.match(label)
    if match is None or (_HYDROGEN.match(label) and not label.startswith("OW")):
        raise _no_element(label)
    first, second = match[1], match[2]
    both = f"{first}{second.lower()}" if len(first) == 1 and second else ""
    if both in elements():
        if first not in elements():
            return both  # AL1
        raise RejectedCrystal(
            f"label {label} could be {first} or {both}, and there is no _atom_site_type_symbol"
        )
    if first not in elements() or second in ("H", "D"):
        raise _no_element(label)
    return first


def is_guess(given: str, symbol: str) -> bool:
    """Whether a type or label is not simply a symbol followed by something else than a letter."""
    return not given.startswith(symbol) or given[len(symbol) :][:1].isalpha()


def _no_element(symbol: str) -> RejectedCrystal:
    hint = " (it may stand for hydrogens that are not listed)" if _HYDROGEN.match(symbol) else ""
    return RejectedCrystal(f"{symbol[:40]} is not an element{hint}")
