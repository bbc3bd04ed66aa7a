"""Numbers computed from crystals, against values by hand and other programs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pymatgen.analysis.ewald import EwaldSummation
from pymatgen.core import Lattice, Structure
from salt_cif import salt

from sitenet.crystal.featurise import MergedCrystal, featurise
from sitenet.options.features import FeatureSettings
from sitenet.shards.computed_targets import (
    TARGETS,
    targets_of,
    write_computed_targets,
)
from sitenet.shards.normal_scores import normal_scores
from sitenet.shards.schema import open_writer, to_table
from sitenet.shards.vectors import read_vectors
from sitenet.sources.ewald import ACCURACY, COULOMB, ewald_energy, site_potentials
from sitenet.sources.ionic import IONIC
from sitenet.structure.cif import read_cif

ROOT = Path(__file__).resolve().parents[2]
ROCK_SALT = 1.7475645946
"""Madelung constant."""


def merged(text: str | bytes, n_atoms: int = 50) -> MergedCrystal:
    return featurise(read_cif(text), FeatureSettings(n_atoms=n_atoms))


@pytest.fixture(scope="module")
def perovskite() -> MergedCrystal:
    return merged((ROOT / "tests/data/crystals/CaTiO3.cif").read_bytes())


def named(crystal: MergedCrystal) -> dict[str, float]:
    return dict(zip(TARGETS, targets_of(crystal).tolist(), strict=True))


def test_rock_salt_by_hand() -> None:
    found = named(merged(salt("Na", "Cl", 5.64)))
    potential = COULOMB * ROCK_SALT / 2.82
    assert found["electrostatic energy"] == pytest.approx(-potential / 2, rel=1e-3)
    assert found["potential of cations, mean"] == pytest.approx(-potential, rel=1e-3)
    assert found["potential of anions, mean"] == pytest.approx(potential, rel=1e-3)
    assert found["potential, deviation"] == pytest.approx(potential, rel=1e-3)
    assert found["potential of cations, deviation"] == 0
    assert found["coordination, mean over sites"] == 6
    assert found["instability index"] == pytest.approx(found["mean bond valence sum"] - 1, abs=1e-6)


def test_site_potentials_agree_with_pymatgen(perovskite: MergedCrystal) -> None:
    """Whose energy of a site is half its charge times its potential."""
    charges = perovskite.oxidation
    structure = Structure(Lattice(perovskite.lattice), perovskite.numbers, perovskite.frac)
    structure.add_oxidation_state_by_site(charges.tolist())
    reference = EwaldSummation(structure, acc_factor=15)
    energies = [reference.get_site_energy(k) for k in range(len(charges))]
    cell = perovskite.lattice, perovskite.frac, charges
    potential = site_potentials(*cell, ACCURACY)
    np.testing.assert_allclose(charges * potential / 2, energies, atol=1e-5)
    assert (charges * potential).mean() / 2 == pytest.approx(ewald_energy(*cell), rel=1e-10)
    np.testing.assert_allclose(site_potentials(*cell, 3.2), potential, rtol=1e-3)


def test_a_charged_cell_has_no_potentials(perovskite: MergedCrystal) -> None:
    with pytest.raises(ValueError, match=r"charge of \+5"):
        site_potentials(perovskite.lattice, perovskite.frac, perovskite.oxidation + 1, ACCURACY)


def test_what_cannot_be_computed_is_missing(perovskite: MergedCrystal) -> None:
    neutral = named(replace(perovskite, oxidation=np.zeros(5)))
    assert {name for name, value in neutral.items() if np.isnan(value)} == set(IONIC)
    alone = merged((ROOT / "tests/data/crystals/Mg.cif").read_bytes(), n_atoms=2)
    itself = alone.pair_distance == 0
    lonely = replace(
        alone,
        row_length=np.array([1]),
        **{name: getattr(alone, name)[itself]
           for name in ("pair_class", "pair_distance", "pair_count")},
    )  # fmt: skip
    assert np.isnan(targets_of(lonely)).all()


def test_the_table_of_a_shard_has_the_numbers_of_each_crystal(
    perovskite: MergedCrystal, tmp_path: Path
) -> None:
    crystals = {"a": merged(salt("Na", "Cl", 5.64)), "b": perovskite,
                "c": merged(salt("Mg", "O", 4.21))}  # fmt: skip
    with open_writer(tmp_path / "shard.parquet") as writer:
        for names in ("ab", "c"):  # two row groups
            writer.write_table(to_table([*names], [crystals[name] for name in names]))
    write_computed_targets(tmp_path / "shard.parquet", tmp_path / "computed.parquet", "test")
    found = read_vectors([tmp_path / "computed.parquet"], ["c", "b"])
    expected = [targets_of(crystals[name]) for name in "cb"]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)  # distances of 32 bits


def test_scores_are_normal_whatever_the_unit() -> None:
    rng = np.random.default_rng(0)
    values = rng.standard_normal((999, 3))
    values[::7, 1] = np.nan
    values[:, 2] = 4
    scores = normal_scores(np.exp(5 * values))
    assert np.isnan(scores[::7, 1]).all()
    known = scores[~np.isnan(scores[:, 1]), 1]
    assert known.mean() == pytest.approx(0, abs=1e-6)
    assert known.std() == pytest.approx(1, abs=0.02)
    np.testing.assert_array_equal(scores[:, 0].argsort(), values[:, 0].argsort())
    np.testing.assert_array_equal(scores[:, 2], 0)
    np.testing.assert_array_equal(scores, normal_scores(values))
