"""Bond valences and the global instability index of an ionic crystal.

Model: I. D. Brown, "The Chemical Bond in Inorganic Chemistry", Oxford University Press 2002.
Parameters: M. O'Keeffe and N. E. Brese, J. Am. Chem. Soc. 113 (1991) 3226,
doi:10.1021/ja00009a002, which give bond lengths for all pairs of 75 elements (table of pymatgen).
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Element
from pymatgen.core.bond_valence import BV_PARAMS

from sitenet.sources.neighbours import Array, contacts

SOFTNESS = 0.37
"""b in exp((R - d) / b), in A, the same for all bonds (O'Keeffe and Brese)."""

WEAKEST_BOND = 0.038
"""A contact is a bond if its valence exceeds this fraction of the cation's charge (D. Altermatt and
I. D. Brown, Acta Cryst. B41 (1985) 240, doi:10.1107/S0108768185002063)."""

LONGEST_BOND = 5.0
"""Cutoff of the search in A, beyond which no pair of the table forms a bond."""

PARAMETERS = {
    element.Z: (float(values["r"]), float(values["c"])) for element, values in BV_PARAMS.items()
}
"""Size parameter r in A and electronegativity c of the elements, by atomic number."""


@cache
def single_bond_length(first: int, second: int) -> float:
    """Length R in A of a bond of valence 1 between two elements (equation 3 of the source).

    Raises:
        KeyError: an element has no parameters.
    """
    r1, c1 = PARAMETERS[first]
    r2, c2 = PARAMETERS[second]
    return r1 + r2 - r1 * r2 * (c1**0.5 - c2**0.5) ** 2 / (c1 * r1 + c2 * r2)


def without_parameters(numbers: NDArray[np.int64]) -> list[str]:
    """Symbols of the elements among atomic `numbers` (n,) that have no parameters."""
    return [Element.from_Z(int(z)).symbol for z in np.unique(numbers) if int(z) not in PARAMETERS]


def bond_valence_sums(
    lattice: Array, frac: Array, numbers: NDArray[np.int64], charges: Array
) -> Array:
    """Sum of the bond valences at each atom, positive for cations: (n,) in valence units.

    Bonds are contacts of a cation and an anion with valence s = exp((R - d) / b) above
    `WEAKEST_BOND` times the cation's charge, which restricts them to the first shell.

    Args:
        lattice: (3, 3) rows a, b, c in A.
        frac: (n, 3) fractional positions.
        numbers: (n,) atomic numbers.
        charges: (n,) formal charges in elementary charges.

    Raises:
        KeyError: an element has no parameters.
    """
    first, second, distance = contacts(lattice, frac, LONGEST_BOND)
    opposite = charges[first] * charges[second] < 0
    first, second, distance = first[opposite], second[opposite], distance[opposite]
    length = np.empty(len(first))
    for a in np.unique(numbers):
        for b in np.unique(numbers):
            chosen = (numbers[first] == a) & (numbers[second] == b)
            if chosen.any():
                length[chosen] = single_bond_length(int(a), int(b))
    valence = np.exp((length - distance) / SOFTNESS)
    cation_charge = np.maximum(charges[first], charges[second])
    valence[valence < WEAKEST_BOND * cation_charge] = 0.0
    return np.sign(charges) * np.bincount(first, valence, minlength=len(frac))


def instability_index(
    lattice: Array, frac: Array, numbers: NDArray[np.int64], charges: Array
) -> float:
    """Global instability index of a crystal, in valence units.

    The root mean square over the atoms of bond valence sum minus formal charge
    (A. Salinas-Sanchez et al., J. Solid State Chem. 100 (1992) 201,
    doi:10.1016/0022-4596(92)90094-C). It depends only on the first shell of each atom.

    Arguments and errors as `bond_valence_sums`.
    """
    deviation = bond_valence_sums(lattice, frac, numbers, charges) - charges
    return float(np.sqrt(np.mean(deviation**2)))
