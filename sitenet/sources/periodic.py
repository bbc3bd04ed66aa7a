"""Distances and the electrostatic energy of a periodic crystal, summed to convergence."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfc

COULOMB = 14.399645478425668
"""e^2 / (4 pi epsilon_0) in eV A (CODATA 2018)."""

ACCURACY = 5.6
"""Both Ewald sums stop where their terms have fallen to exp(-ACCURACY^2) = 2e-14."""

Array = NDArray[np.float64]


def _grid(reach: NDArray[np.int64]) -> Array:
    """All integer triples with |component k| <= reach[k]: (images, 3)."""
    axes = [np.arange(-n, n + 1, dtype=np.float64) for n in reach]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)


def contacts(
    lattice: Array, frac: Array, radius: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
    """All ordered pairs of atoms, periodic images included, closer than `radius`.

    Args:
        lattice: (3, 3) rows a, b, c in A.
        frac: (n, 3) fractional positions.
        radius: in A.

    Returns:
        first (m,), second (m,) atom numbers and distance (m,) in A. An atom is paired with its own
        images, not with itself.
    """
    spacing = 1.0 / np.linalg.norm(np.linalg.inv(lattice), axis=0)
    shift = frac[None, :, :] - frac[:, None, :]
    shift -= np.round(shift)
    cells = _grid(np.ceil(radius / spacing + 0.5).astype(np.int64)) @ lattice
    square = (((shift @ lattice)[:, :, None, :] + cells) ** 2).sum(axis=-1)
    itself = np.arange(len(frac))
    square[itself, itself, len(cells) // 2] = np.inf
    first, second, image = np.nonzero(square < radius**2)
    return first, second, np.sqrt(square[first, second, image])


def nearest_distance(lattice: Array, frac: Array) -> float:
    """Distance from an atom to its nearest neighbour, averaged over the atoms, in A.

    Args:
        lattice: (3, 3) rows a, b, c in A.
        frac: (n, 3) fractional positions.
    """
    radius = 2.0 * (abs(np.linalg.det(lattice)) / len(frac)) ** (1 / 3)
    nearest = np.full(len(frac), np.inf)
    while np.isinf(nearest).any():
        first, _, distance = contacts(lattice, frac, radius)
        np.minimum.at(nearest, first, distance)
        radius *= 1.5
    return float(nearest.mean())


def ewald_energy(lattice: Array, frac: Array, charges: Array) -> float:
    """Electrostatic energy of point charges in a crystal, in eV per atom.

    Ewald's sum (P. P. Ewald, 1921, doi:10.1002/andp.19213690304) with the splitting that balances
    both halves; relative error below 1e-10.

    Args:
        lattice: (3, 3) rows a, b, c in A.
        frac: (n, 3) fractional positions.
        charges: (n,) in elementary charges.

    Raises:
        ValueError: the cell is not neutral, so that the sum has no limit.
    """
    if abs(charges.sum()) > 1e-6:
        raise ValueError(f"the cell carries a charge of {charges.sum():+.4g} e")
    n, volume = len(frac), abs(np.linalg.det(lattice))
    alpha = np.sqrt(np.pi) * (n / volume**2) ** (1 / 6)
    first, second, distance = contacts(lattice, frac, ACCURACY / alpha)
    near = 0.5 * np.sum(charges[first] * charges[second] * erfc(alpha * distance) / distance)

    reach = np.floor(2 * alpha * ACCURACY * np.linalg.norm(lattice, axis=1) / (2 * np.pi))
    index = _grid(reach.astype(np.int64))
    index = index[len(index) // 2 + 1 :]  # one of each pair k, -k
    square = ((2 * np.pi * index @ np.linalg.inv(lattice).T) ** 2).sum(axis=1)
    inside = square < (2 * alpha * ACCURACY) ** 2
    index, square = index[inside], square[inside]
    structure_factor = np.exp(2j * np.pi * index @ frac.T) @ charges
    terms = np.exp(-square / (4 * alpha**2)) / square * np.abs(structure_factor) ** 2
    far = 4 * np.pi / volume * terms.sum()

    itself = alpha / np.sqrt(np.pi) * np.sum(charges**2)
    return float(COULOMB * (near + far - itself) / n)
