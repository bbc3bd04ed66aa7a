"""What surrounds a site: known values, spherical harmonics, invariance, continuity, equal sites."""

import numpy as np
import pytest
from example_crystals import EXAMPLES, REDESCRIPTIONS, bench_crystals, crystal, doubled, rotated
from scipy.special import sph_harm_y

from sitenet.crystal.element_features import PROPERTIES, element_features
from sitenet.crystal.featurise import featurise
from sitenet.crystal.merging import merge_pairs
from sitenet.crystal.orientational_order import ORDER
from sitenet.crystal.site_geometry import (
    CHANNELS,
    RADII,
    TOLERANCE,
    geometry_kinds,
    site_geometry,
)
from sitenet.options.features import FeatureSettings
from sitenet.structure.cif import Crystal

NAMES = list(CHANNELS)
SETTINGS = FeatureSettings(n_atoms=30, oxidation="given", site_geometry=True)


def channels(given: Crystal, rows: list[int] | None = None) -> np.ndarray:
    """Scaled channels of some sites, by default of all."""
    chosen = np.arange(len(given.numbers)) if rows is None else np.array(rows)
    return site_geometry(given.lattice, given.numbers, given.frac, chosen)


def unscaled(given: Crystal) -> dict[str, np.ndarray]:
    """Channels (P,) by name."""
    shift, scale = np.array(list(CHANNELS.values())).T
    return dict(zip(NAMES, (channels(given) * scale + shift).T, strict=True))


FCC = crystal(np.eye(3) * 3.6, [29] * 4, [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])


@pytest.mark.parametrize(
    ("given", "neighbours", "orders"),
    [  # of the octahedron, tetrahedron and fcc shell: Steinhardt, Nelson, Ronchetti, and by hand
        (EXAMPLES["rocksalt"], 6, {1: 0, 2: 0, 3: 0, 4: (7 / 12) ** 0.5, 5: 0, 6: 0.35355}),
        (EXAMPLES["diamond"], 4, {1: 0, 2: 0, 3: 5**0.5 / 3, 4: 0.50918, 5: 0, 6: 0.62854}),
        (FCC, 12, {1: 0, 2: 0, 3: 0, 4: 0.19094, 5: 0, 6: 0.57452}),
    ],
    ids=["rocksalt", "diamond", "fcc"],
)
def test_regular_surroundings_have_the_known_values(given, neighbours, orders):
    found = unscaled(given)
    np.testing.assert_allclose(found["coordination"], neighbours, rtol=0.01)
    for order, value in orders.items():
        np.testing.assert_allclose(found[f"q{order}"], value, atol=0.005)


def by_spherical_harmonics(given: Crystal, site: int, radius: float) -> dict[str, float]:
    """Channels of a site, written down anew: from all atoms of many cells, one after another."""
    table = element_features("impute")
    radii = table[:, PROPERTIES.index("AtomicRadius")]
    negativity = table[:, PROPERTIES.index("Electronegativity")]
    cells = np.stack(np.meshgrid(*[np.arange(-4, 5)] * 3, indexing="ij"), -1).reshape(-1, 3)
    apart = ((given.frac - given.frac[site])[:, None] + cells) @ given.lattice
    kinds = np.repeat(given.numbers, len(cells))
    apart = apart.reshape(-1, 3)
    distance = np.linalg.norm(apart, axis=1)
    kinds, apart, distance = (part[distance > 1e-3] for part in (kinds, apart, distance))

    def shell(length: np.ndarray) -> np.ndarray:
        first = np.exp(1 - (length / length.min()) ** 6)
        return np.exp(1 - (length / np.average(length, weights=first)) ** 6)

    def order(weights: np.ndarray, total: float, degree: int) -> float:
        polar = np.arccos(np.clip(apart[:, 2] / distance, -1, 1))
        azimuth = np.arctan2(apart[:, 1], apart[:, 0])
        moments = [(weights * sph_harm_y(degree, m, polar, azimuth)).sum()
                   for m in range(-degree, degree + 1)]  # fmt: skip
        square = 4 * np.pi / (2 * degree + 1) * (np.abs(moments) ** 2).sum()
        return float(np.sqrt(square) / total)

    close = shell(distance)
    t = np.clip((1.15 * radius - distance) / (0.3 * radius), 0, 1)
    near = 10 * t**3 - 15 * t**4 + 6 * t**5
    contrast = negativity[kinds] - negativity[given.numbers[site]]
    found = {
        "coordination": close.sum(),
        "coordination by radii": shell(
            distance / (radii[kinds] + radii[given.numbers[site]])
        ).sum(),
        f"atoms within {radius} A": near.sum(),
        "electronegativity of neighbours": np.average(contrast, weights=close),
        "same element": close[kinds == given.numbers[site]].sum() / close.sum(),
    }
    for degree in range(1, ORDER + 1):
        found[f"q{degree}"] = order(close, close.sum(), degree)
        found[f"q{degree} within {radius} A"] = order(near, near.sum(), degree)
    for degree in (1, 2):
        found[f"q{degree} of electronegativity"] = order(close * contrast, close.sum(), degree)
    return found


@pytest.mark.parametrize("name", ["rutile", "triclinic", "hcp"])
def test_products_of_powers_give_what_spherical_harmonics_give(name):
    given = EXAMPLES[name]
    found = unscaled(given)
    for site in range(len(given.numbers)):
        for channel, value in by_spherical_harmonics(given, site, RADII[2]).items():
            assert found[channel][site] == pytest.approx(value, abs=1e-6), channel


@pytest.mark.parametrize("name", EXAMPLES)
def test_any_cell_in_any_position_has_the_same_geometry(name):
    given, random = EXAMPLES[name], np.random.default_rng(1)
    first = channels(given)
    turned = doubled(rotated(given, random), random)
    np.testing.assert_allclose(channels(turned), np.tile(first, (2, 1)), atol=1e-5)


@pytest.mark.parametrize("name", ["rutile", "perovskite", "triclinic"])
@pytest.mark.parametrize("redescribe", REDESCRIPTIONS, ids=lambda f: f.__name__)
def test_a_crystal_described_differently_has_the_same_geometry(name, redescribe):
    given = EXAMPLES[name]
    changed = redescribe(given, np.random.default_rng(2))
    tables = []
    for one in (featurise(given, SETTINGS), featurise(changed, SETTINGS)):
        rows = np.column_stack([one.numbers, one.geometry[one.site_class]])
        tables.append(rows[np.argsort(rows @ np.cos(np.arange(rows.shape[1])))])
    np.testing.assert_allclose(*tables, atol=1e-5)


def test_it_changes_as_little_as_the_positions():
    """Along a path on which neighbours come and go, half the step gives half the change."""
    given = EXAMPLES["perovskite"]

    def largest_change(steps: int) -> float:
        found = []
        for t in np.linspace(0, 1, steps + 1):
            frac = given.frac.copy()
            frac[1] += 0.3 * t * np.array([1.0, 0.7, 0.4])
            moved = crystal(given.lattice * (1 + 0.5 * t), given.numbers, frac)
            found.append(channels(moved))
        return float(abs(np.diff(found, axis=0)).max())

    coarse, fine = largest_change(150), largest_change(300)
    assert 0.01 < coarse < 1.0
    assert fine < 0.6 * coarse


def test_a_site_far_from_all_others_has_finite_geometry():
    alone = crystal(np.diag([40.0, 45.0, 50.0]), [2], [[0, 0, 0]])
    beside = crystal(
        np.diag([4.0, 4.0, 60.0]), [11, 17, 2], [[0, 0, 0], [0.5, 0.5, 0], [0, 0, 0.5]]
    )
    dense = crystal(np.diag([4.0, 4.0, 60.0]), [11, 17], [[0, 0, 0], [0.5, 0.5, 0]])
    for given in (alone, beside):
        assert np.isfinite(channels(given)).all()
    counts = [NAMES.index(f"atoms within {radius} A") for radius in RADII]
    np.testing.assert_array_equal(channels(beside, [0, 1]), channels(dense))
    shift, scale = np.array(list(CHANNELS.values())).T
    np.testing.assert_allclose((channels(alone) * scale + shift)[0, counts], 0, atol=1e-12)


def test_a_skew_cell_takes_no_longer():
    given = EXAMPLES["triclinic"]
    skew = np.array([[1, 0, 0], [40, 1, 0], [-30, 25, 1]])
    long = crystal(skew @ given.lattice, given.numbers, given.frac @ np.linalg.inv(skew))
    np.testing.assert_allclose(channels(long), channels(given), atol=1e-5)


def test_sites_that_are_nearly_alike_are_of_one_kind():
    """Of each kind the channels are those of its first site, to the last bit."""
    given = EXAMPLES["rutile"]
    kinds, found = geometry_kinds(given.lattice, given.numbers, given.frac, np.arange(6))
    assert kinds.tolist() == [0, 0, 1, 1, 1, 1]
    np.testing.assert_allclose(found[kinds], channels(given), atol=TOLERANCE)
    frac = given.frac.copy()
    frac[2] += [0.003, 0.001, 0.002]
    kinds, found = geometry_kinds(given.lattice, given.numbers, frac, np.arange(6))
    assert len(set(kinds.tolist())) == len(found) > 2


def test_kinds_divide_classes():
    numbers, oxidation = np.array([6, 6]), np.zeros(2)
    distances = np.array([[0, 2, 1.5, 1.5], [1.5, 1.5, 0, 2]])
    assert merge_pairs(numbers, oxidation, distances, 2, 1e-5).site_class.tolist() == [0, 0]
    divided = merge_pairs(numbers, oxidation, distances, 2, 1e-5, kinds=np.array([0, 1]))
    assert divided.site_class.tolist() == [0, 1]
    assert divided.row_length.tolist() == [3, 3]


@pytest.mark.parametrize("supercell", ["optimal", "greedy"])
def test_every_site_of_a_class_has_its_geometry(supercell):
    settings = FeatureSettings(n_atoms=50, oxidation="given", supercell=supercell,
                               site_geometry=True)  # fmt: skip
    for given in EXAMPLES.values():
        merged = featurise(given, settings)
        each = site_geometry(merged.lattice, merged.numbers, merged.frac,
                             np.arange(len(merged.numbers)))  # fmt: skip
        assert merged.geometry.shape == (len(merged.row_length), len(CHANNELS))
        assert abs(merged.geometry[merged.site_class] - each).max() <= TOLERANCE


def test_every_site_of_a_class_of_real_crystals_has_its_geometry(shared):
    settings = FeatureSettings(n_atoms=50, site_geometry=True)
    for given in bench_crystals(shared, every=12):
        merged = featurise(given, settings)
        each = site_geometry(merged.lattice, merged.numbers, merged.frac,
                             np.arange(len(merged.numbers)))  # fmt: skip
        assert abs(merged.geometry[merged.site_class] - each).max() <= TOLERANCE


def test_without_the_option_nothing_changes():
    for given in EXAMPLES.values():
        plain = featurise(given, FeatureSettings(n_atoms=30, oxidation="given"))
        more = featurise(given, SETTINGS)
        assert plain.geometry is None
        for name in ("supercell", "site_class", "row_length", "pair_class", "pair_distance"):
            np.testing.assert_array_equal(getattr(plain, name), getattr(more, name), err_msg=name)
