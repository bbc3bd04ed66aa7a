"""All atoms of the cell from those that a CIF lists and its symmetry operators."""

from typing import Any

import numpy as np

from sitenet.structure.limits import check_sites
from sitenet.structure.symmetry_operators import Operators

Array = np.ndarray[Any, np.dtype[Any]]

SAME_SITE = 1e-4
"""Images of an atom that differ less in each fraction are one, as in pymatgen."""


def with_images(frac: Array, operators: Operators) -> tuple[Array, Array]:
    """Positions in [0, 1) of all images of n atoms, (N, 3), and the atom of each, (N,).

    Images follow their atom in the order of the operators; equal images of an atom count once.

    Args:
        frac: (n, 3) fractional positions.
        operators: of the space group.

    Raises:
        RejectedCrystal: there are too many, which is told before they are all made.
    """
    check_sites(len(frac))
    if len(operators.rotations) == 1:
        return wrapped(frac), np.arange(len(frac))
    positions, origin, found = [], [], 0
    for k, position in enumerate(frac):
        images = wrapped(operators.rotations @ position + operators.translations)
        delta = images[:, None] - images[None]
        equal = (np.abs(delta - np.rint(delta)) <= SAME_SITE).all(axis=2)
        # The first of each set of equal images is kept.
        kept = images[equal.argmax(axis=1) == np.arange(len(images))]
        positions.append(kept)
        origin.append(np.full(len(kept), k))
        found += len(kept)
        check_sites(found)
    return np.concatenate(positions), np.concatenate(origin)


def wrapped(frac: Array) -> Array:
    """Fractions in [0, 1)."""
    inside = frac - np.floor(frac)
    inside[inside == 1.0] = 0.0
    return inside
