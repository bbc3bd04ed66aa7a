"""Numbers on bonds against values by hand."""

import numpy as np
import pytest
from salt_cif import salt

from sitenet.crystal.bonds import BOND_FEATURES, bond_features
from sitenet.crystal.featurise import featurise
from sitenet.options.features import FeatureSettings
from sitenet.structure.cif import read_cif


def of(text: str, n_atoms: int = 50) -> dict[str, float]:
    values = bond_features(featurise(read_cif(text), FeatureSettings(n_atoms=n_atoms)))
    return dict(zip(BOND_FEATURES, values.tolist(), strict=True))


def test_of_rock_salt() -> None:
    found = of(salt("Na", "Cl", 5.64))
    radii, distance = 1.66 + 1.02, 2.82  # Cordero et al., A
    masses = np.array([22.98976928, 35.453])
    reduced = masses.prod() / masses.sum()
    assert found["stiffest bond, distance"] == pytest.approx(distance, abs=1e-4)
    assert found["nearest distance / radii, mean over sites"] == pytest.approx(distance / radii)
    assert found["coordination, minimum over sites"] == 6
    assert found["coordination, deviation over sites"] == 0
    assert found["stiffest bond, reduced mass"] == pytest.approx(reduced, rel=1e-4)
    order = np.exp((radii - distance) / 0.37)
    assert found["stiffest bond, ln stretch"] == pytest.approx(0.5 * np.log(order / reduced), 1e-4)
    assert found["lightest atom, mass"] == pytest.approx(masses[0])
    assert found["volume per atom"] == pytest.approx(5.64**3 / 8)
    assert found["density"] == pytest.approx(4 * masses.sum() / 5.64**3)
    spheres = 4 / 3 * np.pi * (1.66**3 + 1.02**3) * 4
    assert found["packing fraction"] == pytest.approx(spheres / 5.64**3)
    assert found["sites"] == 2


def test_a_shorter_bond_is_stiffer() -> None:
    short, long = of(salt("Mg", "O", 4.0)), of(salt("Mg", "O", 4.2))
    name = "stiffest bond, ln stretch"
    assert short[name] - long[name] == pytest.approx(0.5 * 0.1 / 0.37)


def test_all_are_finite_for_every_element() -> None:
    heaviest = of(salt("Es", "H", 5.0))
    assert np.isfinite(list(heaviest.values())).all()
    assert len(heaviest) == len(BOND_FEATURES)
