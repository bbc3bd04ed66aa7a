"""The table of elements against pymatgen, from which its values are."""

import math
import warnings

import pytest
from pymatgen.core import Composition, Element, Species

from sitenet.structure.elements import elements, symbols


@pytest.fixture(scope="module")
def occurrences() -> dict[Species, float]:
    """How often the ICSD holds an element in an oxidation state."""
    Composition("NaCl").oxi_state_guesses()  # loads the table
    assert Composition.oxi_prob is not None
    return Composition.oxi_prob


def test_numbers_and_electronegativities() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pymatgen warns of each missing electronegativity
        expected = {e.symbol: (int(e.Z), float(e.X)) for e in Element}
    found = elements()
    assert set(found) == {*expected, "D", "T"}
    for symbol, (number, electronegativity) in expected.items():
        assert found[symbol].number == number
        assert symbols()[number] == symbol
        known = found[symbol].electronegativity
        assert known == electronegativity or (math.isnan(known) and math.isnan(electronegativity))


def test_oxidation_states_and_their_occurrences(occurrences: dict[Species, float]) -> None:
    for number, symbol in symbols().items():
        element = Element.from_Z(number)
        common = element.icsd_oxidation_states or element.common_oxidation_states
        expected = [(int(q), int(occurrences.get(Species(symbol, q), 0))) for q in common]
        assert list(elements()[symbol].states) == expected, symbol


def test_heavy_hydrogen_is_hydrogen() -> None:
    assert elements()["D"] == elements()["T"] == elements()["H"]
    assert symbols()[1] == "H"
