"""The ionic picture of a crystal in numbers: oxidation states as point charges, bond valences."""

import numpy as np
from numpy.typing import NDArray

from sitenet.crystal.featurise import MergedCrystal
from sitenet.sources.bond_valence import bond_valence_sums, without_parameters
from sitenet.sources.ewald import site_potentials

Float = NDArray[np.float64]

IONIC = (
    "electrostatic energy",
    *(f"potential, {one}" for one in ("minimum", "maximum", "deviation")),
    *(f"potential of {ions}, {one}" for ions in ("cations", "anions")
      for one in ("mean", "deviation")),
    "instability index",
    "mean bond valence sum",
)  # fmt: skip
"""eV/atom, V, valence units. The index is the root mean square of bond valence sum minus charge."""

ACCURACY = 3.2
"""Ewald sums are truncated where terms are below exp(-ACCURACY^2) = 4e-5."""


def ionic_numbers(crystal: MergedCrystal) -> Float:
    """The numbers `IONIC` of a crystal, NaN where there is none.

    That is all of them where an atom has no oxidation state or they do not add up to zero, and the
    last two where an element has no bond-valence parameters.
    """
    found, charges = np.full(len(IONIC), np.nan), crystal.oxidation
    if not charges.all() or abs(charges.sum()) > len(charges) * 1e-6:
        return found
    charges = charges - charges.mean()  # what rounding to 32 bits left
    potential = site_potentials(crystal.lattice, crystal.frac, charges, ACCURACY)
    signs = (charges > 0, charges < 0)
    found[:8] = [
        (potential * charges).mean() / 2,
        potential.min(), potential.max(), potential.std(),
        *(value for sign in signs for value in (potential[sign].mean(), potential[sign].std())),
    ]  # fmt: skip
    if not without_parameters(crystal.numbers):
        sums = bond_valence_sums(crystal.lattice, crystal.frac, crystal.numbers, charges)
        found[8:] = np.sqrt(((sums - charges) ** 2).mean()), np.abs(sums).mean()
    return found
