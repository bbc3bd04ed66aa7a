"""What surrounds a site, in numbers that see angles: coordination, bond lengths, Steinhardt's q_l.

All are continuous in the positions and the same for every description of a crystal: neighbours
enter with weights that go smoothly to zero.

shell    w = exp(1 - (d / m)^6), m the mean distance with weights exp(1 - (d / nearest)^6): their
         sum is the effective coordination number of R. Hoppe (1979),
         doi:10.1524/zkri.1979.150.14.23.
bonds    the same with d in units of the sum of both atomic radii.
within r 1 up to 0.85 r, 0 from 1.15 r, and a smooth step between.
"""

import numpy as np
from numpy.typing import NDArray

from sitenet.crystal.element_features import PROPERTIES, element_features
from sitenet.crystal.lattice_reduction import minkowski
from sitenet.crystal.near_atoms import atoms_around, neighbours
from sitenet.crystal.orientational_order import orientational_order
from sitenet.crystal.symmetry import chained

Float = NDArray[np.float64]
Int = NDArray[np.int64]

RADII = (2.2, 3.0, 4.0, 4.8)
"""Radii in A within which neighbours are counted."""

MIDDLE = 2
"""Which of `RADII` is that of the second set of q_l."""

STEP = 0.15
"""Half the width of the step at a radius, as a fraction of it."""

NEGLIGIBLE = 1.65
"""Distance in units of m beyond which the weight of a shell, 5e-9, is left out."""

SOFTNESS = 0.37
"""Of a bond's valence exp((R_i + R_j - d) / SOFTNESS), in A (I. D. Brown & D. Altermatt 1985)."""

AT_ONCE = 2**15
"""Pairs of site and atom processed at a time."""

CHANNELS = {
    "coordination": (4.7, 3.4),
    "coordination by radii": (6.9, 4.8),
    "atoms within 2.2 A": (1.9, 1.7),
    "atoms within 3.0 A": (6.7, 3.1),
    "atoms within 4.0 A": (18, 5.7),
    "atoms within 4.8 A": (31, 9.8),
    "valence": (1.9, 0.64),
    "bond length": (2.2, 0.61),
    "spread of bond lengths": (0.041, 0.029),
    "bond length by radii": (1.0, 0.07),
    "spread of bond lengths by radii": (0.045, 0.026),
    "electronegativity of neighbours": (0.0, 1.5),
    "spread of their electronegativity": (0.17, 0.21),
    "same element": (0.06, 0.17),
    "q1": (0.32, 0.38),
    "q2": (0.4, 0.37),
    "q3": (0.52, 0.36),
    "q4": (0.61, 0.26),
    "q5": (0.45, 0.34),
    "q6": (0.61, 0.24),
    "q1 within 4.0 A": (0.065, 0.065),
    "q2 within 4.0 A": (0.087, 0.069),
    "q3 within 4.0 A": (0.11, 0.087),
    "q4 within 4.0 A": (0.16, 0.11),
    "q5 within 4.0 A": (0.14, 0.11),
    "q6 within 4.0 A": (0.24, 0.12),
    "q1 of electronegativity": (0.4, 0.49),
    "q2 of electronegativity": (0.55, 0.54),
}
"""Name, shift and scale of each channel: mean and standard deviation over site classes of crystals
of the Materials Project, rounded (`benchmarks/site_geometry.py`). Lengths are in A."""

TOLERANCE = 1e-4
"""Sites whose scaled channels differ by at most so much are taken as equal."""


def geometry_kinds(lattice: Float, numbers: Int, frac: Float, equivalent: Int) -> tuple[Int, Float]:
    """Kind (P,) of each site, numbered from 0, and the channels (K, 28) of each kind.

    Computed for one of the sites that symmetry makes equal, so that theirs are the same to the last
    bit; others are of one kind if they differ by less than TOLERANCE, and have those of its first.

    Args:
        lattice, numbers, frac: as for `site_geometry`.
        equivalent: (P,) one of the sites equal to each by symmetry.
    """
    rows, orbit = np.unique(equivalent, return_inverse=True)
    found = site_geometry(lattice, numbers, frac, rows)
    firsts, kind = np.unique(_first_alike(found), return_inverse=True)
    return kind[orbit], found[firsts]


def _first_alike(rows: Float) -> Int:
    """For each of `rows` (Q, 28) the first that it is like, among those that are like none before.

    Rows with different sums need not be compared in full.
    """
    weights = np.cos(1.0 + np.arange(rows.shape[1]))
    first = np.arange(len(rows))
    for part in chained([rows @ weights], TOLERANCE * abs(weights).sum()):
        while len(part) > 1:
            alike = (abs(rows[part] - rows[part[0]]) <= TOLERANCE).all(axis=1)
            first[part[alike]] = part[0]
            part = part[~alike]
    return first


def site_geometry(lattice: Float, numbers: Int, frac: Float, rows: Int) -> Float:
    """(value - shift) / scale of all `CHANNELS` for some sites of a crystal: (Q, 28).

    Args:
        lattice: (3, 3) rows a, b, c in A, of any cell of the crystal.
        numbers: (P,) atomic numbers.
        frac: (P, 3) fractional positions.
        rows: (Q,) the sites.
    """
    table = element_features("impute")
    radius, negativity = (
        table[:, PROPERTIES.index(name)] for name in ("AtomicRadius", "Electronegativity")
    )
    largest = radius[numbers].max()
    change = minkowski(lattice @ lattice.T)
    lattice, frac = change @ lattice, frac @ np.linalg.inv(change) % 1.0
    result = np.empty((len(rows), len(CHANNELS)))
    todo, reach = np.arange(len(rows)), (1 + STEP) * RADII[-1]
    while len(todo):
        short, farther = [], reach
        atoms, places = atoms_around(lattice, frac, reach)
        chunk = max(1, AT_ONCE // len(atoms))
        for start in range(0, len(todo), chunk):
            some = todo[start : start + chunk]
            sites = rows[some]
            center = frac[sites] @ lattice
            distance, units, which = neighbours(center, places, reach)
            own, other = numbers[sites, None], numbers[atoms[which]]
            sums = radius[own] + radius[other]
            values, needed = _channels(
                distance, units, sums, negativity[other] - negativity[own], own == other
            )
            needed = np.maximum(needed[0], needed[1] * (radius[own[:, 0]] + largest))
            result[some] = values
            short.append(some[needed > reach])
            farther = max(farther, float(needed.max()))
        todo, reach = np.concatenate(short), min(1.01 * farther, 2 * reach)
    shift, scale = np.array(list(CHANNELS.values())).T
    return (result - shift) / scale


def _channels(
    distance: Float, units: Float, sums: Float, contrast: Float, same: NDArray[np.bool_]
) -> tuple[Float, tuple[Float, Float]]:
    """Channels (q, CHANNELS) of sites, and how far they needed neighbours: (q,) in A, and (q,) in
    units of the sum of radii.

    For the n neighbours of each site (q, n): distance in A, units (q, n, 3), sums of radii in A,
    contrast of electronegativities, and whether they are of the same element.
    """
    length, shell = _shell(distance)
    relative = distance / sums
    bond, bonds = _shell(relative)
    within = [_within(distance, radius) for radius in RADII]
    total, total_bonds = shell.sum(axis=1), bonds.sum(axis=1)
    share, share_bonds = shell / total[:, None], bonds / total_bonds[:, None]
    valence = (np.exp((sums - np.minimum(distance, 50.0)) / SOFTNESS) * within[-1]).sum(axis=1)
    polarity = (share * contrast).sum(axis=1)
    counted = np.maximum(within[MIDDLE].sum(axis=1), 1.0)
    weights = np.stack([share, within[MIDDLE] / counted[:, None], share * contrast], axis=1)
    orders = orientational_order(weights, units)
    return np.column_stack([
        total,
        total_bonds,
        *(weight.sum(axis=1) for weight in within),
        np.log1p(valence),
        length,
        _spread(distance, share, length) / length,
        bond,
        _spread(relative, share_bonds, bond) / bond,
        polarity,
        _spread(contrast, share, polarity),
        (share * same).sum(axis=1),
        orders[:, 0],
        orders[:, 1],
        orders[:, 2, :2],
    ]), (NEGLIGIBLE * length, NEGLIGIBLE * bond)  # fmt: skip


def _shell(distance: Float) -> tuple[Float, Float]:
    """Mean length m (q,) and weights (q, n) of the shell (see the module)."""
    nearest = distance.min(axis=1)
    first = np.exp(1.0 - np.minimum((distance / nearest[:, None]) ** 6, 700.0))
    mean = (first * distance).sum(axis=1) / first.sum(axis=1)
    return mean, np.exp(1.0 - np.minimum((distance / mean[:, None]) ** 6, 700.0))


def _within(distance: Float, radius: float) -> Float:
    """1 for short distances, 0 for long ones, with two continuous derivatives between."""
    t = np.clip(((1 + STEP) * radius - distance) / (2 * STEP * radius), 0.0, 1.0)
    return t**3 * (10 - 15 * t + 6 * t**2)


def _spread(values: Float, share: Float, mean: Float) -> Float:
    """Standard deviation (q,) of values (q, n) with shares that add up to 1."""
    return np.sqrt((share * (values - mean[:, None]) ** 2).sum(axis=1))
