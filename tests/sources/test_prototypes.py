"""The embedded data set: exact labels, sensible substitutions, the same crystals every time."""

import re
from collections.abc import Iterator

import numpy as np
import pytest
from pymatgen.analysis.ewald import EwaldSummation
from pymatgen.analysis.prototypes._data import AFLOW_PROTOTYPE_LIBRARY
from pymatgen.core import Composition, Element, Lattice, Structure
from pymatgen.core.structure_prediction.volume_predictor import DLSVolumePredictor

from sitenet.options.datasets import PROTOTYPE_LABELS, PrototypesSource
from sitenet.sources.bond_valence import (
    WEAKEST_BOND,
    bond_valence_sums,
    instability_index,
    single_bond_length,
)
from sitenet.sources.ewald import COULOMB, ewald_energy
from sitenet.sources.neighbours import contacts, nearest_distance
from sitenet.sources.prototypes import labels, records
from sitenet.sources.records import RawRecord, Rejection
from sitenet.sources.substitution import IonicCrystal, Substitution, assignments, ions
from sitenet.structure.cif import read_cif
from sitenet.structure.oxidation import guess_oxidation

FCC = np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
"""Primitive cell of the face-centred cube of edge 1."""


def ionic(structure: Structure, charges: dict[str, float]) -> IonicCrystal:
    return IonicCrystal(
        structure.lattice.matrix,
        structure.frac_coords,
        np.array(structure.atomic_numbers),
        np.array([charges[site.specie.symbol] for site in structure]),
    )


def library(label: str, formula: str, **charges: float) -> IonicCrystal:
    for entry in AFLOW_PROTOTYPE_LIBRARY:
        structure = entry["snl"].structure
        if entry["tags"]["aflow"] == label and structure.composition.reduced_formula == formula:
            return ionic(structure, charges)
    raise AssertionError(label)


@pytest.fixture
def rutile() -> IonicCrystal:
    return library("A2B_tP6_136_f_a", "TiO2", Ti=4, O=-2)


@pytest.fixture
def spinel() -> IonicCrystal:
    return library("A2BC4_cF56_227_d_a_e", "MgAl2O4", Mg=2, Al=3, O=-2)


@pytest.fixture
def perovskite() -> IonicCrystal:
    return library("AB3C_oP20_62_c_cd_a", "CaTiO3", Ca=2, Ti=4, O=-2)


@pytest.mark.parametrize(
    ("lattice", "frac", "charges", "nearest", "madelung"),
    [
        (FCC, [[0] * 3, [0.5] * 3], [1, -1], 0.5, 1.747564594633),  # rock salt
        (np.eye(3), [[0] * 3, [0.5] * 3], [1, -1], 0.75**0.5, 1.762674773071),  # CsCl
        (FCC, [[0] * 3, [0.25] * 3], [2, -2], 0.1875**0.5, 1.638055053389),  # sphalerite
        (FCC, [[0] * 3, [0.25] * 3, [0.75] * 3], [2, -1, -1], 0.1875**0.5, 2.519392440),  # fluorite
    ],
)
def test_madelung_constants(lattice, frac, charges, nearest, madelung) -> None:
    edge = 5.3
    energy = ewald_energy(edge * lattice, np.array(frac), np.array(charges, dtype=float))
    product = charges[0] * -charges[-1]
    per_formula = -COULOMB * madelung * product / (edge * nearest)
    assert energy * len(frac) == pytest.approx(per_formula, rel=1e-9)


@pytest.mark.parametrize("name", ["rutile", "spinel", "perovskite"])
def test_ewald_energy_agrees_with_pymatgen(name: str, request: pytest.FixtureRequest) -> None:
    crystal = request.getfixturevalue(name)
    structure = Structure(Lattice(crystal.lattice), crystal.numbers, crystal.frac)
    structure.add_oxidation_state_by_site(crystal.charges.tolist())
    reference = EwaldSummation(structure, acc_factor=15).total_energy / len(structure)
    found = ewald_energy(crystal.lattice, crystal.frac, crystal.charges)
    assert found == pytest.approx(reference, abs=1e-6)


def test_labels_do_not_depend_on_the_description(perovskite: IonicCrystal) -> None:
    c, cell = perovskite, np.array([[1, 0, 0], [3, 1, 0], [-2, 1, 2]])
    steps = np.array([[0, 0, 0], [0, 0, 1]])
    frac = (c.frac[:, None, :] + steps + [0.3, 0.9, -0.2]).reshape(-1, 3) @ np.linalg.inv(cell)
    same = IonicCrystal(cell @ c.lattice, frac, c.numbers.repeat(2), c.charges.repeat(2))
    assert labels(same) == pytest.approx(labels(c), rel=1e-9)


def test_charged_cell_is_refused(rutile: IonicCrystal) -> None:
    with pytest.raises(ValueError, match=r"charge of \+2"):
        ewald_energy(rutile.lattice, rutile.frac, rutile.charges + 1 / 3)


def test_bond_valence_sums_of_rutile(rutile: IonicCrystal) -> None:
    """Rutile is the textbook case: sums within a tenth of 4 and 2."""
    sums = bond_valence_sums(rutile.lattice, rutile.frac, rutile.numbers, rutile.charges)
    np.testing.assert_allclose(sums, rutile.charges, rtol=0.03)
    assert sums.sum() == pytest.approx(0, abs=1e-10)


def test_single_bond_lengths_of_the_published_table() -> None:
    """Brese and O'Keeffe's table, fitted pair by pair, differs by a few hundredths of an A."""
    published = {("Na", "Cl"): 2.15, ("Ti", "O"): 1.815, ("Si", "O"): 1.624, ("Ca", "F"): 1.842}
    for (cation, anion), length in published.items():
        found = single_bond_length(Element(cation).Z, Element(anion).Z)
        assert found == pytest.approx(length, abs=0.08)
        assert found == single_bond_length(Element(anion).Z, Element(cation).Z)


def test_instability_index_by_hand(spinel: IonicCrystal) -> None:
    structure = Structure(Lattice(spinel.lattice), spinel.numbers, spinel.frac)
    squares = []
    for here, charge in enumerate(spinel.charges):
        total = 0.0
        for other in structure.get_neighbors(structure[here], 8.0):
            opposite = spinel.charges[other.index]
            length = single_bond_length(structure[here].specie.Z, other.specie.Z)
            valence = np.exp((length - other.nn_distance) / 0.37)
            if charge * opposite < 0 and valence > WEAKEST_BOND * max(charge, opposite):
                total += np.sign(charge) * valence
        squares.append((total - charge) ** 2)
    found = instability_index(spinel.lattice, spinel.frac, spinel.numbers, spinel.charges)
    assert found == pytest.approx(np.mean(squares) ** 0.5, rel=1e-10)


def test_one_label_is_long_ranged_and_the_other_is_not() -> None:
    """LiF pairs further apart than any bond: only the electrostatic energy notices."""
    found = []
    for edge in (7.0, 9.0):
        frac = np.array([[0, 0, 0], [1.6 / edge, 0, 0]])
        charges, numbers = np.array([1.0, -1.0]), np.array([3, 9])
        cell = edge * np.eye(3)
        found.append(
            (
                instability_index(cell, frac, numbers, charges),
                nearest_distance(cell, frac),
                ewald_energy(cell, frac, charges),
            )
        )
    *near, energy = found[0]
    *far, other_energy = found[1]
    assert near == pytest.approx(far, rel=1e-12)
    assert near[1] == pytest.approx(1.6, rel=1e-12)
    assert abs(energy - other_energy) > 0.01


def test_nearest_distance_against_pymatgen(spinel: IonicCrystal, rutile: IonicCrystal) -> None:
    for given in (spinel, rutile):
        structure = Structure(Lattice(given.lattice), given.numbers, given.frac)
        nearest = [min(n.nn_distance for n in structure.get_neighbors(s, 8.0)) for s in structure]
        found = nearest_distance(given.lattice, given.frac)
        assert found == pytest.approx(np.mean(nearest), rel=1e-10)
    alone = nearest_distance(np.diag([3.0, 4.0, 50.0]), np.zeros((1, 3)))  # its own image
    assert alone == pytest.approx(3.0)


def test_contacts_of_rock_salt() -> None:
    first, second, distance = contacts(4 * FCC, np.array([[0.1] * 3, [0.6] * 3]), 3.0)
    shells = sorted(zip(first, second, distance.round(9), strict=True))
    assert (
        shells
        == [(0, 0, 2.828427125)] * 12
        + [(0, 1, 2.0)] * 6
        + [(1, 0, 2.0)] * 6
        + [(1, 1, 2.828427125)] * 12
    )


@pytest.mark.parametrize("name", ["rutile", "spinel", "perovskite"])
def test_volumes_agree_with_pymatgen(name: str, request: pytest.FixtureRequest) -> None:
    parent = request.getfixturevalue(name)
    predictor = DLSVolumePredictor(min_scaling=None, max_scaling=None)
    for new in assignments(parent, 3, np.random.default_rng(0)):
        crystal = Substitution(parent).crystal(new)
        structure = Structure(Lattice(parent.lattice), crystal.numbers, parent.frac)
        volume = np.linalg.det(crystal.lattice)
        assert volume == pytest.approx(predictor.predict(structure), rel=1e-9)


def test_assignments_are_balanced_and_never_repeat(spinel: IonicCrystal) -> None:
    old, place = ions(spinel)
    count = np.bincount(place)
    found = list(assignments(spinel, 300, np.random.default_rng(0)))
    assert len(found) == len(set(found)) == 300
    assert tuple(old) not in found
    for new in found:
        charges = np.array([charge for _, charge in new])
        assert charges @ count == 0
        assert len({z for z, _ in new}) == len(new)
        assert (np.sign(charges) == np.sign([charge for _, charge in old])).all()
    assert found == list(assignments(spinel, 300, np.random.default_rng(0)))
    assert found != list(assignments(spinel, 300, np.random.default_rng(1)))


def test_likely_ions_come_first() -> None:
    """Over many draws MgO gives its likeliest substitute more often than an unlikely one."""
    parent = library("AB_cF8_225_a_b", "NaCl", Na=1, Cl=-1)
    first = [next(assignments(parent, 1, np.random.default_rng(k))) for k in range(200)]
    names = ["".join(Element.from_Z(z).symbol for z, _ in sorted(new)) for new in first]
    assert names.count("FNa") + names.count("ClK") > 10 > names.count("IHg")


def test_ions_unknown_to_the_table_give_nothing() -> None:
    carbide = library("AB_hP8_186_ab_ab", "SiC", Si=4, C=-4)
    assert list(assignments(carbide, 5, np.random.default_rng(0))) == []


@pytest.fixture(scope="module")
def yielded() -> list[RawRecord | Rejection]:
    return list(records(PrototypesSource(seed=0, crystals=160)))


def made(items: list) -> Iterator[RawRecord]:
    return (item for item in items if isinstance(item, RawRecord))


def test_number_ids_and_origin(yielded: list[RawRecord | Rejection]) -> None:
    found = list(made(yielded))
    assert len(found) == 160
    assert len({item.id for item in yielded}) == len(yielded)
    assert all(re.fullmatch(r"\w+-[A-Za-z0-9]+", item.id) for item in yielded)
    originals = {r.id for r in found if r.extra["origin"] == "prototype"}
    assert 100 < len(originals) < 130
    for record in found:
        parent = record.extra["parent"]
        assert (parent == record.id) == (record.extra["origin"] == "prototype")
        assert parent.split("-")[0] == record.id.split("-")[0]


def test_labels_follow_from_the_cif_text(yielded: list[RawRecord | Rejection]) -> None:
    """Read back, the text gives the same labels, and its charges are the composition's guess."""
    for record in list(made(yielded))[::4]:
        crystal = read_cif(record.cif)
        charges = guess_oxidation(crystal.numbers)
        np.testing.assert_allclose(crystal.oxidation, charges, atol=1e-6)
        again = labels(IonicCrystal(crystal.lattice, crystal.frac, crystal.numbers, charges))
        assert again == pytest.approx(record.labels, rel=1e-7, abs=1e-9)
        formula = Composition(record.id.split("-")[1]).reduced_formula
        numbers = [Element.from_Z(int(z)).symbol for z in crystal.numbers]
        assert Composition("".join(numbers)).reduced_formula == formula


def test_all_labels_are_those_that_a_configuration_may_name(
    yielded: list[RawRecord | Rejection],
) -> None:
    for record in yielded:
        assert isinstance(record, Rejection) or tuple(record.labels) == PROTOTYPE_LABELS


def test_rock_salt_label(yielded: list[RawRecord | Rejection]) -> None:
    (salt,) = (r for r in made(yielded) if r.id == "AB_cF8_225_a_b-NaCl")
    edge = float(re.search(r"_cell_length_a (\S+)", str(salt.cif))[1]) * 2**0.5
    assert salt.labels["ewald_energy"] == pytest.approx(-COULOMB * 1.7475645946 / edge, rel=1e-8)


def test_prototypes_without_labels_say_why(yielded: list[RawRecord | Rejection]) -> None:
    reasons = {item.id: item.reason for item in yielded if isinstance(item, Rejection)}
    assert "oxidation states" in reasons["A_cF4_225_a-Cu"]
    assert "oxidation states" in reasons["AB3_cP4_221_a_c-Cu3Au"]
    assert "Pt" in reasons["AB_tP4_131_c_e-PtS"]
    assert "not an ionic crystal" in reasons["AB2_cP12_205_a_c-FeS2"]
    assert len(reasons) + len([r for r in made(yielded) if r.extra["origin"] == "prototype"]) == 288


def test_seed_decides_the_substitutions(yielded: list[RawRecord | Rejection]) -> None:
    def again(seed: int) -> list:
        return list(records(PrototypesSource(seed=seed, crystals=160)))

    assert again(0) == yielded
    other = again(1)
    assert other[:280] == yielded[:280]
    assert other != yielded
