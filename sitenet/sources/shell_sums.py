"""Charges around an ion at a set distance: labels whose range is known."""

from collections.abc import Sequence

import numpy as np

from sitenet.sources.neighbours import Array, contacts

WIDTH = 0.7
"""Standard deviation of a shell in A."""

REACH = 6.0
"""Pairs farther than this many widths beyond a shell are left out: the Gaussian is below 2e-8."""


def shell_sums(lattice: Array, frac: Array, charges: Array, radii: Sequence[float]) -> list[float]:
    """Correlation of the charges of ions that are apart by each of the distances `radii`.

    The label of a shell of radius r is

        sum_ij q_i q_j g(d_ij) / sum_i q_i^2 / sqrt(4 pi r^2 WIDTH sqrt(pi) n / V),
        g(d) = exp(-(d - r)^2 / (2 WIDTH^2)),

    over the n ions i of a cell of volume V and all other ions j of the crystal. The root is the
    standard deviation of sum_j g(d_ij) s_j for random signs s_j at this density, so that labels
    of different shells are of order one. It has no unit.

    Args:
        lattice: (3, 3) rows a, b, c in A.
        frac: (n, 3) fractional positions.
        charges: (n,) in elementary charges, not all zero.
        radii: in A.
    """
    density = len(frac) / abs(np.linalg.det(lattice))
    first, second, distance = contacts(lattice, frac, max(radii) + REACH * WIDTH)
    products = charges[first] * charges[second] / np.sum(charges**2)
    # Not a product of vectors, whose last digits depend on the number of threads.
    return [
        float(np.sum(products * np.exp(-((distance - r) ** 2) / (2 * WIDTH**2))))
        / np.sqrt(4 * np.pi * r**2 * WIDTH * np.sqrt(np.pi) * density)
        for r in radii
    ]
