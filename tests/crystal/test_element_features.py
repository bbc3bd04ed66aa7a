"""Elemental features against matminer's tables."""

import numpy as np
import pytest
from matminer.utils.data import MagpieData
from pymatgen.core import Element

from sitenet.crystal.element_features import (
    PROPERTIES,
    element_features,
    feature_scaling,
    missing_property,
)


def magpie(impute: bool) -> np.ndarray:
    data = MagpieData(impute_nan=impute)
    return np.array(
        [
            [data.get_elemental_property(Element.from_Z(z), name) for name in PROPERTIES]
            for z in range(1, 100)
        ]
    )


def test_values_equal_matminer():
    np.testing.assert_array_equal(element_features("drop")[1:], magpie(impute=False))


def test_gaps_are_the_known_ones_and_imputed_as_the_mean():
    known, filled = element_features("drop")[1:], element_features("impute")[1:]
    gaps = np.isnan(known)
    assert gaps.sum() == 19
    assert {PROPERTIES[c] for c in np.flatnonzero(gaps.any(axis=0))} == {
        "Electronegativity", "AtomicRadius", "FirstIonizationEnergy", "Density"}  # fmt: skip
    np.testing.assert_array_equal(filled[~gaps], known[~gaps])
    np.testing.assert_allclose(filled.mean(axis=0), np.nanmean(known, axis=0))
    # matminer's mean includes what it has beyond Z = 99
    np.testing.assert_allclose(filled[gaps], magpie(impute=True)[gaps], rtol=0.02)


def test_first_missing_property():
    assert missing_property(np.array([8, 26])) is None
    assert missing_property(np.array([8, 54, 2])) == (2, "Electronegativity")
    assert missing_property(np.array([85])) == (85, "FirstIonizationEnergy")


def test_standard_scaling():
    shift, factor = feature_scaling("standard")
    scaled = (element_features("impute")[1:] - shift[:8]) * factor[:8]
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(scaled.std(axis=0), 1)
    assert shift[8] == 0
    assert factor[8] == 1 / 2.5


def test_scalings_of_the_papers():
    shift, factor = feature_scaling("raw")
    assert not shift.any()
    assert (factor == 1).all()
    shift, factor = feature_scaling("dim")
    assert not shift.any()
    np.testing.assert_array_equal(factor, [0.1, 0.1, 1, 1, 1, 10, 10, 0.001, 1])
    with pytest.raises(ValueError, match="raw, dim or standard"):
        feature_scaling("minmax")
