"""Energy and potentials of a periodic crystal of point charges, by Ewald's method."""

import numpy as np
from scipy.special import erfc

from sitenet.sources.neighbours import Array, contacts, integer_grid

COULOMB = 14.399645478425668
"""e^2 / (4 pi epsilon_0) in eV A (CODATA 2018)."""

ACCURACY = 5.6
"""Both Ewald sums are truncated where terms are below exp(-ACCURACY^2) = 2e-14."""


def ewald_energy(lattice: Array, frac: Array, charges: Array) -> float:
    """Electrostatic energy of point charges in a crystal, in eV per atom.

    Ewald summation (P. P. Ewald, 1921, doi:10.1002/andp.19213690304), with both sums of equal
    cost; the relative error is below 1e-10.

    Args:
        lattice: (3, 3) rows a, b, c in A.
        frac: (n, 3) fractional positions.
        charges: (n,) in elementary charges.

    Raises:
        ValueError: the cell is not neutral, so that the energy diverges.
    """
    _require_neutral(charges)
    n, volume = len(frac), abs(np.linalg.det(lattice))
    alpha = np.sqrt(np.pi) * (n / volume**2) ** (1 / 6)
    first, second, distance = contacts(lattice, frac, ACCURACY / alpha)
    near = 0.5 * np.sum(charges[first] * charges[second] * erfc(alpha * distance) / distance)

    index, square = _reciprocal_vectors(lattice, alpha, ACCURACY)
    structure_factor = np.exp(2j * np.pi * index @ frac.T) @ charges
    terms = np.exp(-square / (4 * alpha**2)) / square * np.abs(structure_factor) ** 2
    far = 4 * np.pi / volume * terms.sum()

    itself = alpha / np.sqrt(np.pi) * np.sum(charges**2)
    return float(COULOMB * (near + far - itself) / n)


def site_potentials(lattice: Array, frac: Array, charges: Array, accuracy: float) -> Array:
    """Electrostatic potential (n,) in V at each atom, of all other point charges of a crystal.

    Half the mean of charge times potential is `ewald_energy`. Arguments as there; both sums are
    truncated where terms are below exp(-accuracy^2).

    Raises:
        ValueError: the cell is not neutral.
    """
    _require_neutral(charges)
    n, volume = len(frac), abs(np.linalg.det(lattice))
    alpha = np.sqrt(np.pi) * (n / volume**2) ** (1 / 6)
    first, second, distance = contacts(lattice, frac, accuracy / alpha)
    near = np.bincount(first, charges[second] * erfc(alpha * distance) / distance, n)
    index, square = _reciprocal_vectors(lattice, alpha, accuracy)
    phase = np.exp(2j * np.pi * index @ frac.T)
    weight = np.exp(-square / (4 * alpha**2)) / square * (phase @ charges)
    far = 8 * np.pi / volume * (weight @ phase.conj()).real
    return np.asarray(COULOMB * (near + far - 2 * alpha / np.sqrt(np.pi) * charges))


def _require_neutral(charges: Array) -> None:
    if abs(charges.sum()) > 1e-6:
        raise ValueError(f"the cell carries a charge of {charges.sum():+.4g} e")


def _reciprocal_vectors(lattice: Array, alpha: float, accuracy: float) -> tuple[Array, Array]:
    """Indices (k, 3) of the vectors that count, one of each pair k, -k, and their squares (k,)."""
    reach = np.floor(2 * alpha * accuracy * np.linalg.norm(lattice, axis=1) / (2 * np.pi))
    index = integer_grid(reach.astype(np.int64))
    index = index[len(index) // 2 + 1 :]
    square = ((2 * np.pi * index @ np.linalg.inv(lattice).T) ** 2).sum(axis=1)
    inside = square < (2 * alpha * accuracy) ** 2
    return index[inside], square[inside]
