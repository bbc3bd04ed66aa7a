"""Names, numbers and electronegativities of the elements, isotopes D and T included."""

from functools import lru_cache
from typing import NamedTuple

ISOTOPES = ("D", "T")
"""Symbols of heavy hydrogen."""


class ElementFacts(NamedTuple):
    """What reading a crystal needs to know of an element."""

    number: int
    electronegativity: float
    """Pauling's; NaN where there is none."""


@lru_cache(maxsize=1)
def elements() -> dict[str, ElementFacts]:
    """Facts by symbol, from pymatgen."""
    import warnings

    from pymatgen.core import Element

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pymatgen warns of each missing electronegativity
        facts = {e.symbol: ElementFacts(int(e.Z), float(e.X)) for e in Element}
    return facts | dict.fromkeys(ISOTOPES, facts["H"])


@lru_cache(maxsize=1)
def symbols() -> dict[int, str]:
    """Symbol by atomic number."""
    return {e.number: symbol for symbol, e in elements().items() if symbol not in ISOTOPES}
