"""Equivalent descriptions of a crystal: other cell vectors, origin, orientation or site order."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from sitenet.structure.cif import Crystal


def another_basis(crystal: Crystal, random: np.random.Generator) -> Crystal:
    """The same lattice on other vectors: a random unimodular matrix, |components| <= 2."""
    while True:
        change = random.integers(-2, 3, (3, 3))
        if round(float(np.linalg.det(change))) == 1:
            break
    frac = crystal.frac @ np.linalg.inv(change)
    return replace(crystal, lattice=change @ crystal.lattice, frac=frac % 1.0)


def another_origin(crystal: Crystal, random: np.random.Generator) -> Crystal:
    """All sites shifted by one random vector."""
    return replace(crystal, frac=(crystal.frac + random.random(3)) % 1.0)


def another_orientation(crystal: Crystal, random: np.random.Generator) -> Crystal:
    """Rotated at random."""
    turn, triangle = np.linalg.qr(random.normal(size=(3, 3)))
    turn = turn * np.sign(triangle.diagonal())
    return replace(crystal, lattice=crystal.lattice @ (turn * np.sign(np.linalg.det(turn))))


def another_order(crystal: Crystal, random: np.random.Generator) -> Crystal:
    """Sites in random order."""
    order = random.permutation(len(crystal.numbers))
    return replace(
        crystal,
        numbers=crystal.numbers[order],
        frac=crystal.frac[order],
        oxidation=crystal.oxidation[order],
    )


CHANGES: dict[str, Callable[[Crystal, np.random.Generator], Crystal]] = {
    "lattice vectors": another_basis,
    "origin": another_origin,
    "orientation": another_orientation,
    "order of sites": another_order,
}
"""Change of the description, by name."""
