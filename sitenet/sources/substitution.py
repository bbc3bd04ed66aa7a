"""New ionic crystals from known ones by ionic substitution with a predicted change of volume.

Substitution probabilities: G. Hautier et al., Inorg. Chem. 50 (2011) 656, doi:10.1021/ic102031h.
Volumes ("data-mined lattice scaling", DLS): I.-H. Chu et al., Comput. Mater. Sci. 146 (2018) 184,
doi:10.1016/j.commatsci.2018.01.040. Both tables are those of pymatgen.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Element
from pymatgen.core.structure_prediction.substitution_probability import SubstitutionProbability
from pymatgen.core.structure_prediction.volume_predictor import bond_params

from sitenet.sources.bond_valence import PARAMETERS
from sitenet.sources.neighbours import Array, contacts

Ion = tuple[int, int]
"""Atomic number and charge."""

CHOICES = {2: 60, 3: 30, 4: 16}
"""Number of most likely ions considered for each species, by the number of species to replace."""

NEIGHBOURS = 6.0
"""Cutoff in A of the contacts that determine the volume."""


@dataclass(frozen=True)
class IonicCrystal:
    """A crystal of ions: lattice (3, 3) in A, frac (n, 3), numbers (n,), formal charges (n,)."""

    lattice: Array
    frac: Array
    numbers: NDArray[np.int64]
    charges: Array


@cache
def _table() -> tuple[list[Ion], Array]:
    """The m ions with known bond parameters, and log P(row replaces column), (m, m)."""
    model = SubstitutionProbability()
    known = [
        ion
        for ion in model.species
        if ion.element.Z in PARAMETERS and ion.element.symbol in bond_params
    ]
    known.sort(key=lambda ion: (ion.element.Z, ion.oxi_state))
    chance = np.array([[model.cond_prob(new, old) for old in known] for new in known])
    return [(ion.element.Z, int(ion.oxi_state)) for ion in known], np.log(chance)


def ions(crystal: IonicCrystal) -> tuple[list[tuple[int, float]], NDArray[np.int64]]:
    """Distinct ions (atomic number, charge) of a crystal, and the index of each site's ion (n,)."""
    pairs = np.column_stack([crystal.numbers, crystal.charges])
    distinct, place = np.unique(pairs, axis=0, return_inverse=True)
    return [(int(z), float(charge)) for z, charge in distinct], place.reshape(-1)


def assignments(
    parent: IonicCrystal, limit: int, rng: np.random.Generator
) -> Iterator[tuple[Ion, ...]]:
    """Up to `limit` charge-balanced choices of new ions for `ions(parent)`, without repeats.

    They are drawn with the product of the substitution probabilities. Cations replace cations and
    anions replace anions; the new ions are of different elements. Nothing is yielded if the table
    lacks one of the parent's ions (carbides, arsenides, non-integer mean charges).
    """
    known, logarithm = _table()
    old, place = ions(parent)
    row = {(float(z), float(charge)): k for k, (z, charge) in enumerate(known)}
    if len(old) not in CHOICES or any(ion not in row for ion in old):
        return
    start = np.array([row[ion] for ion in old])
    options = [_likeliest(int(k), CHOICES[len(old)]) for k in start]
    grid = np.stack(np.meshgrid(*options, indexing="ij"), axis=-1).reshape(-1, len(old))
    element, charge = np.array(known).T
    balanced = (charge[grid] * np.bincount(place)).sum(axis=1) == 0
    different = (np.diff(np.sort(element[grid], axis=1), axis=1) > 0).all(axis=1)
    grid = grid[balanced & different & (grid != start).any(axis=1)]
    weight = logarithm[grid, start].sum(axis=1)
    # Sorting by log p + Gumbel noise samples without replacement with probabilities p.
    order = np.argsort(-(weight + rng.gumbel(size=len(grid))), kind="stable")
    for chosen in grid[order[:limit]]:
        yield tuple(known[int(k)] for k in chosen)


@cache
def _likeliest(old: int, number: int) -> NDArray[np.int64]:
    """The `number` most likely ions with the same sign of charge as `old`, as rows of the table."""
    known, logarithm = _table()
    sign = np.sign([charge for _, charge in known])
    score = np.where(sign == sign[old], logarithm[:, old], -np.inf)
    order = np.argsort(-score, kind="stable")[:number]
    return order[np.isfinite(score[order])]


class Substitution:
    """Crystals with the geometry of a parent and other ions."""

    def __init__(self, parent: IonicCrystal) -> None:
        self.parent = parent
        old, self.place = ions(parent)
        first, second, distance = contacts(parent.lattice, parent.frac, NEIGHBOURS)
        self.nearest = np.full((len(old), len(old)), np.inf)
        np.minimum.at(self.nearest, (self.place[first], self.place[second]), distance)

    def volume_ratio(self, new: tuple[Ion, ...]) -> float:
        """Predicted volume with ions `new`, divided by the parent's volume.

        The cell is scaled such that the shortest contact, relative to its expected length, has that
        length: the sum of r + k s of both elements, where s is the standard deviation of the
        electronegativities of the sites.
        """
        elements = [Element.from_Z(z) for z, _ in new]
        spread = np.std(np.array([element.X for element in elements])[self.place])
        radius = np.array(
            [
                float(bond_params[e.symbol]["r"]) + float(bond_params[e.symbol]["k"]) * spread
                for e in elements
            ]
        )
        tightest = np.min(self.nearest / (radius[:, None] + radius[None, :]))
        return float(tightest**-3)

    def crystal(self, new: tuple[Ion, ...]) -> IonicCrystal:
        """The parent with ions `new`, in the order of `ions(parent)`, at the predicted volume."""
        number, charge = np.array(new).T
        return IonicCrystal(
            lattice=self.parent.lattice * self.volume_ratio(new) ** (1 / 3),
            frac=self.parent.frac,
            numbers=number[self.place],
            charges=charge[self.place].astype(np.float64),
        )
