"""Descriptors of few labels: where charges are, their potentials; where there are none, zeros."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from salt_cif import salt
from threadpoolctl import threadpool_info, threadpool_limits

from sitenet.crystal.featurise import MergedCrystal, featurise
from sitenet.few.descriptors import BONDS, describe, names
from sitenet.options.features import FeatureSettings
from sitenet.sources.ewald import COULOMB
from sitenet.sources.ionic import IONIC, ionic_numbers
from sitenet.structure.cif import Crystal, read_cif

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


def test_threads_change_no_digit(monkeypatch: pytest.MonkeyPatch) -> None:
    """On three, sums over thousands of waves may differ in the last digit from those on one."""
    threads: list[int] = []

    def watched(crystal: MergedCrystal) -> NDArray[np.float64]:
        threads.extend(pool["num_threads"] for pool in threadpool_info())
        return ionic_numbers(crystal)

    monkeypatch.setattr("sitenet.few.descriptors.ionic_numbers", watched)
    frac, numbers = np.random.default_rng(0).random((80, 3)), np.tile([11, 17], 40)
    crystal = Crystal(np.eye(3) * 11.0, numbers, frac, np.where(numbers == 11, 1.0, -1.0))
    merged = featurise(crystal, FeatureSettings(n_atoms=100))
    found = []
    for number in (1, 3):
        with threadpool_limits(number):
            found.append(describe([merged]).groups[BONDS])
    assert set(threads) == {1}
    assert np.array_equal(*found)
