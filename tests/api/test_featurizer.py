"""The featuriser of matminer, alone and among others."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matminer.featurizers.base import BaseFeaturizer, MultipleFeaturizer
from pymatgen.core import Lattice, Structure
from sklearn.base import clone

from sitenet import Predictor, SiteNetFeaturizer

LABELS = [f"SiteNet z{k}" for k in range(1, 9)]


def salts() -> list[Structure]:
    places = [[0, 0, 0], [0.5, 0.5, 0.5]]
    kinds = [("Na", "Cl"), ("K", "F"), ("Ba", "S")]
    return [Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.6), kind, places) for kind in kinds]


DISORDERED = Structure(Lattice.cubic(3), [{"Fe": 0.5, "Co": 0.5}], [[0, 0, 0]])


class Density(BaseFeaturizer):
    """Another featuriser."""

    def featurize(self, structure: Structure) -> list[float]:
        return [float(structure.density)]

    def feature_labels(self) -> list[str]:
        return ["density"]

    def citations(self) -> list[str]:
        return []

    def implementors(self) -> list[str]:
        return []


@pytest.fixture(scope="module")
def featurizer(runs: Path) -> SiteNetFeaturizer:
    return SiteNetFeaturizer(str(runs / "seed0"), device="cpu", workers=1)


@pytest.fixture(scope="module")
def expected(runs: Path) -> np.ndarray:
    return Predictor.load(runs / "seed0").embed(salts()).filter(regex="^z").to_numpy()


def test_data_frames_get_the_vectors_of_the_model(
    featurizer: SiteNetFeaturizer, expected: np.ndarray
) -> None:
    frame = pd.DataFrame({"structure": salts()}, index=["a", "b", "c"])
    found = featurizer.featurize_dataframe(frame, "structure", pbar=False)
    assert found.columns.tolist() == ["structure", *LABELS]
    np.testing.assert_allclose(found[LABELS].to_numpy(), expected, rtol=1e-5)
    np.testing.assert_allclose(featurizer.transform(salts()), expected, rtol=1e-5)
    np.testing.assert_allclose(featurizer.featurize(salts()[1]), expected[1], rtol=1e-4)


def test_local_vectors_are_named_so(runs: Path) -> None:
    local = SiteNetFeaturizer(str(runs / "seed0"), local=True, device="cpu", workers=1)
    found = Predictor.load(runs / "seed0").embed(salts(), local=True).filter(regex="^z")
    assert local.feature_labels()[0] == "SiteNet local z1"
    assert len(local.feature_labels()) == found.shape[1]
    np.testing.assert_allclose(local.featurize_many(salts()), found, rtol=1e-5)


@pytest.mark.parametrize(("by_entry", "jobs"), [(True, 1), (True, 2), (False, 2)])
def test_it_works_among_others(
    by_entry: bool, jobs: int, featurizer: SiteNetFeaturizer, expected: np.ndarray
) -> None:
    several = MultipleFeaturizer([Density(), featurizer], iterate_over_entries=by_entry)
    several.set_n_jobs(jobs)
    frame = pd.DataFrame({"structure": salts()})
    found = several.featurize_dataframe(frame, "structure", pbar=False)
    assert found.columns.tolist() == ["structure", "density", *LABELS]
    np.testing.assert_allclose(found[LABELS].to_numpy(), expected, rtol=1e-4, atol=1e-6)


def test_crystals_that_cannot_be_used(featurizer: SiteNetFeaturizer) -> None:
    crystals = [salts()[0], DISORDERED]
    with pytest.raises(ValueError, match=r"crystal 1: .*partial occupancy"):
        featurizer.featurize_many(crystals)
    with pytest.raises(Exception, match="partial occupancy"):
        featurizer.featurize(DISORDERED)
    found = featurizer.featurize_many(crystals, ignore_errors=True, return_errors=True)
    assert np.isnan(found[1][:-1]).all()
    assert "partial occupancy" in found[1][-1]
    assert np.isnan(found[0][-1])
    assert np.isfinite(found[0][:-1]).all()
    with pytest.raises(ValueError, match="set ignore_errors to True"):
        featurizer.featurize_many(crystals, return_errors=True)


def test_it_can_be_copied_and_cited(featurizer: SiteNetFeaturizer) -> None:
    copied: Any = pickle.loads(pickle.dumps(featurizer))
    assert "_loaded" not in vars(copied)
    assert clone(featurizer).get_params() == featurizer.get_params()
    assert copied.feature_labels() == LABELS
    dois = ["10.1039/d3dd00005b", "10.1039/d4dd00202d"]
    for doi, text in zip(dois, featurizer.citations(), strict=True):
        assert text.startswith("@article")
        assert doi in text
    assert featurizer.implementors()
