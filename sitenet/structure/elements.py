"""Numbers, symbols, electronegativities and oxidation states of the elements, and isotopes D, T.

The table `elements.csv` has the values of pymatgen, which a test compares: importing pymatgen would
take longer than reading a crystal.
"""

import csv
from functools import lru_cache
from importlib import resources
from math import nan
from typing import NamedTuple

ISOTOPES = ("D", "T")
"""Symbols of heavy hydrogen."""


class ElementFacts(NamedTuple):
    """Properties of an element that reading a crystal needs."""

    number: int
    electronegativity: float
    """Pauling's; NaN if the element has none."""
    states: tuple[tuple[int, int], ...]
    """Common oxidation states, each with its number of occurrences in the ICSD."""


@lru_cache(maxsize=1)
def elements() -> dict[str, ElementFacts]:
    """Properties by symbol."""
    source = resources.files("sitenet.structure") / "elements.csv"
    facts = {
        row["symbol"]: ElementFacts(
            number=int(row["number"]),
            electronegativity=float(row["electronegativity"] or nan),
            states=_states(row["oxidation_states"]),
        )
        for row in csv.DictReader(source.read_text().splitlines())
    }
    return facts | dict.fromkeys(ISOTOPES, facts["H"])


@lru_cache(maxsize=1)
def symbols() -> dict[int, str]:
    """Symbol by atomic number."""
    return {e.number: symbol for symbol, e in elements().items() if symbol not in ISOTOPES}


def _states(text: str) -> tuple[tuple[int, int], ...]:
    """Charges and occurrences from text such as "+2:372 -4:248"."""
    pairs = (state.split(":") for state in text.split())
    return tuple((int(charge), int(occurrences)) for charge, occurrences in pairs)
