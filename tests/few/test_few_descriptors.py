"""Descriptors of few labels: where charges are, their potentials; where there are none, zeros."""

from pathlib import Path

import numpy as np
import pytest
from salt_cif import salt

from sitenet.crystal.featurise import featurise
from sitenet.few.descriptors import BONDS, describe, names
from sitenet.options.features import FeatureSettings
from sitenet.sources.ewald import COULOMB
from sitenet.sources.ionic import IONIC
from sitenet.structure.cif import read_cif

MAGNESIUM = Path(__file__).resolve().parents[1] / "data/crystals/Mg.cif"


def test_potentials_are_zero_without_charges() -> None:
    texts = salt("Na", "Cl", 5.64), MAGNESIUM.read_bytes()
    crystals = [featurise(read_cif(text), FeatureSettings(n_atoms=50)) for text in texts]
    found = describe(crystals)
    assert found.problems == ["", ""]
    labels = names()
    assert [len(labels[name]) for name in found.groups] == [
        values.shape[1] for values in found.groups.values()
    ]
    ionic = found.groups[BONDS][:, [labels[BONDS].index(name) for name in IONIC]]
    madelung = -COULOMB * 1.7475645946 / 2.82 / 2
    assert ionic[0, IONIC.index("electrostatic energy")] == pytest.approx(madelung, rel=1e-3)
    assert not ionic[1].any()
    assert np.isfinite(found.groups[BONDS]).all()
