"""Labels of known range against a sum over pymatgen's neighbours, and their invariances."""

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from sitenet.sources.shell_sums import REACH, WIDTH, shell_sums

CELL = Lattice.from_parameters(4.1, 5.3, 6.2, 81, 97, 112)
FRAC = np.array([[0.02, 0.1, 0.9], [0.5, 0.45, 0.4], [0.71, 0.2, 0.3], [0.3, 0.8, 0.66]])
CHARGES = np.array([2.0, -1.0, 1.0, -2.0])


def test_sum_over_pymatgens_neighbours() -> None:
    structure = Structure(CELL, ["Ca", "Cl", "Na", "O"], FRAC)
    for radius, found in zip((3.0, 6.0), shell_sums(CELL.matrix, FRAC, CHARGES, (3.0, 6.0)),
                             strict=True):  # fmt: skip
        first, second, _, distance = structure.get_neighbor_list(radius + REACH * WIDTH)
        window = np.exp(-((distance - radius) ** 2) / (2 * WIDTH**2))
        total = np.sum(CHARGES[first] * CHARGES[second] * window)
        noise = np.sqrt(4 * np.pi * radius**2 * WIDTH * np.sqrt(np.pi) * 4 / CELL.volume)
        assert found == pytest.approx(total / (CHARGES @ CHARGES) / noise, abs=1e-6)


def test_other_descriptions_of_the_crystal_give_the_same() -> None:
    structure = Structure(CELL, ["Ca", "Cl", "Na", "O"], FRAC, site_properties={"q": CHARGES})
    larger = structure * [[1, 1, 0], [0, 2, 0], [0, 0, 1]]
    radii = (3.0, 6.0, 9.0)
    expected = shell_sums(CELL.matrix, FRAC, CHARGES, radii)
    charges = np.array(larger.site_properties["q"])
    found = shell_sums(larger.lattice.matrix, larger.frac_coords, charges, radii)
    assert found == pytest.approx(expected, abs=1e-9)
    assert shell_sums(CELL.matrix, FRAC, 3 * CHARGES, radii) == pytest.approx(expected)


def test_random_charges_give_one() -> None:
    """The unit is the standard deviation for charges without order."""
    rng = np.random.default_rng(0)
    cell, frac = np.diag([9.0] * 3), rng.random((40, 3))
    values = [shell_sums(cell, frac, rng.choice([-1.0, 1.0], 40), (3.0,))[0] for _ in range(150)]
    # Of 40 ions: each label is a mean over as many shells, and each pair is in it twice.
    assert np.std(values) * np.sqrt(20) == pytest.approx(1, abs=0.2)


def test_shell_sees_its_own_distance_alone() -> None:
    """Rock salt of edge 6 A: opposite charges at 3 A, equal charges at 4.24 A."""
    cell = 6.0 * np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    frac, charges = np.array([[0, 0, 0], [0.5, 0.5, 0.5]]), np.array([1.0, -1.0])
    near, far = shell_sums(cell, frac, charges, (3.0, 4.24))
    assert near < 0 < far
