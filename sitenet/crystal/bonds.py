"""Local geometry of a crystal in numbers: bonds, coordination, stiffness, packing.

From the merged pairs, so that equal sites are looked at once. Bonds are weighed by Pauling's bond
order s = exp((r - d) / 0.37 A), d the distance and r the sum of the covalent radii of B. Cordero
et al. (doi:10.1039/b801115j); atoms are bonded up to 1.2 r, or 1.05 times as far as their nearest
neighbour. Square roots of s over a mass go with frequencies of vibration.
"""

import warnings
from functools import cache

import numpy as np
from numpy.typing import NDArray

from sitenet.crystal.element_features import HEAVIEST, PROPERTIES, element_features
from sitenet.crystal.featurise import MergedCrystal
from sitenet.structure.elements import symbols

Float = NDArray[np.float64]
Int = NDArray[np.int64]

SOFTNESS = 0.37
"""Of the bond order, in A."""

BONDED, NEAREST = 1.2, 1.05
"""Longest bond, in sums of covalent radii and in distances of the nearest neighbour."""

STATISTICS = ("minimum", "maximum", "mean", "deviation")

OF_SITES = (
    "nearest distance / radii",
    "nearest distance",
    "coordination",
    "bond order",
    "bond length",
    "bond length / radii",
    "electronegativity difference",
    "stiffness",
)
"""Statistics over the sites; stiffness is the root of the sum of bond orders over the mass."""

OF_BONDS = ("distance / radii", "distance", "reduced mass", "stretch", "order")
"""Statistics over the bonds; stretch is the root of the order over the reduced mass."""

STIFFEST = (
    "ln stretch",
    "distance",
    "distance / radii",
    "reduced mass",
    "lighter mass",
    "heavier mass",
    "electronegativity difference",
    "electronegativity sum",
    "coordination of one",
    "coordination of other",
    "bond order of one",
    "bond order of other",
)

LIGHTEST = ("mass", "nearest distance / radii", "nearest distance", "coordination", "bond order",
            "stiffness")  # fmt: skip

PACKING = ("volume per atom", "density", "packing fraction")
"""A^3, u/A^3, volume of spheres of the covalent radii in that of the cell."""

SIZE = ("sites", "ln sites", "longest vector")
MASSES = ("mean 1 / root of mass", "mean ln mass", "mean 1 / mass")

BOND_FEATURES = (
    *(f"{name}, {one} over sites" for name in OF_SITES for one in STATISTICS),
    *(f"{name}, {one} over bonds" for name in OF_BONDS for one in STATISTICS),
    *(f"stiffest bond, {name}" for name in STIFFEST),
    *(f"lightest atom, {name}" for name in LIGHTEST),
    *PACKING,
    *SIZE,
    *MASSES,
)
"""Names of the numbers that `bond_features` gives."""


def bond_features(crystal: MergedCrystal) -> Float:
    """The numbers `BOND_FEATURES` of a crystal; lengths in A, masses in u."""
    masses, negativity, radii = _elements()
    classes = np.unique(crystal.site_class, return_index=True)[1]
    numbers, sites = crystal.numbers[classes], np.bincount(crystal.site_class).astype(float)
    apart = crystal.pair_distance > 0
    row = np.repeat(np.arange(len(numbers)), crystal.row_length)[apart]
    other, distance = crystal.pair_class[apart], crystal.pair_distance[apart]
    count = crystal.pair_count[apart].astype(float)
    one_z, other_z = numbers[row], numbers[other]
    ratio = distance / (radii[one_z] + radii[other_z])
    reduced = masses[one_z] * masses[other_z] / (masses[one_z] + masses[other_z])
    polarity = np.abs(negativity[one_z] - negativity[other_z])
    order = np.exp((radii[one_z] + radii[other_z] - distance) / SOFTNESS)
    stretch = np.sqrt(order / reduced)

    def nearest(values: Float) -> Float:
        found = np.full(len(numbers), np.inf)
        np.minimum.at(found, row, values)
        return found

    def total(values: Float) -> Float:
        return np.asarray(np.bincount(row, values, len(numbers)), dtype=np.float64)

    closest = nearest(ratio)
    bonded = ratio < np.maximum(BONDED, NEAREST * closest)[row]
    bonds = count * bonded
    coordination, orders = total(bonds), total(count * order)
    means = [total(bonds * values) / coordination for values in (distance, ratio, polarity)]
    stiffness = np.sqrt(orders / masses[numbers])
    of_sites = (closest, nearest(distance), coordination, orders, *means, stiffness)
    weight = (bonds * sites[row])[bonded]
    of_bonds = [values[bonded] for values in (ratio, distance, reduced, stretch, order)]
    best, light = int(stretch.argmax()), int(masses[numbers].argmin())
    one, two = one_z[best], other_z[best]
    volume, every = abs(float(np.linalg.det(crystal.lattice))), crystal.numbers
    mass = masses[every]
    return np.array([
        *(number for values in of_sites for number in _statistics(values, sites)),
        *(number for values in of_bonds for number in _statistics(values, weight)),
        np.log(stretch[best]), distance[best], ratio[best], reduced[best],
        *sorted((masses[one], masses[two])), polarity[best], negativity[one] + negativity[two],
        coordination[row[best]], coordination[other[best]],
        orders[row[best]], orders[other[best]],
        masses[numbers[light]], closest[light], of_sites[1][light], coordination[light],
        orders[light], stiffness[light],
        volume / len(every), mass.sum() / volume,
        4 / 3 * np.pi * (radii[every] ** 3).sum() / volume,
        len(every), np.log(len(every)), np.linalg.norm(crystal.lattice, axis=1).max(),
        (mass**-0.5).mean(), np.log(mass).mean(), (1 / mass).mean(),
    ])  # fmt: skip


def _statistics(values: Float, weight: Float) -> tuple[float, ...]:
    """`STATISTICS` of numbers (n,) with weights (n,)."""
    mean = np.average(values, weights=weight)
    spread = np.sqrt(np.average((values - mean) ** 2, weights=weight))
    return float(values.min()), float(values.max()), float(mean), float(spread)


@cache
def _elements() -> tuple[Float, Float, Float]:
    """Mass (u), electronegativity and covalent radius (A) by atomic number, (100,) each.

    The heaviest elements, which have no measured radius, have that of curium.
    """
    with warnings.catch_warnings(action="ignore"):
        from pymatgen.analysis.molecule_structure_comparator import CovalentRadius

    known = CovalentRadius.radius
    radii = [known.get(symbols()[z], known["Cm"]) for z in range(1, HEAVIEST + 1)]
    table = element_features()
    mass = table[:, PROPERTIES.index("AtomicWeight")]
    negativity = table[:, PROPERTIES.index("Electronegativity")]
    return mass, negativity, np.array([np.nan, *radii])
