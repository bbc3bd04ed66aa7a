"""Descriptors of crystals to which learned representations are compared: those of matminer.

ofm  orbital field matrix, see `sitenet.crystal.orbital_field`; 32 x 32 numbers.
xrd  smeared powder diffraction pattern for Cu K-alpha: one number for each degree 0-127 of 2 theta.

Both are what matminer's featurizers give with their default settings. They are not called
themselves: most of their time goes into what is not used. pymatgen is imported when first used, as
that takes seconds.
"""

import warnings
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from sitenet.structure.cif import Crystal
from sitenet.structure.elements import symbols
from sitenet.structure.rejection import RejectedCrystal

Float = NDArray[np.float32]

LARGEST_ANGLE = 127
"""Of 2 theta, in degrees."""

SMEARING = 0.05
"""Width of the Gaussians, relative to the standard deviation of the pattern."""

SIZES = {"ofm": 32 * 32, "xrd": LARGEST_ANGLE + 1}
"""Length of each descriptor."""


def descriptor(crystal: Crystal, kind: str) -> Float:
    """The descriptor `kind` (a key of SIZES) of a crystal: (SIZES[kind],).

    Raises:
        RejectedCrystal: it cannot be computed, or is not finite.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about rounding in Voronoi cells, for every atom
        try:
            values = {"ofm": _orbital_field, "xrd": powder_pattern}[kind](crystal)
        except Exception as error:  # Qhull, spglib and missing elements raise various types
            raise RejectedCrystal(f"no {kind}: {type(error).__name__}: {error}") from error
    if not np.isfinite(values).all():
        raise RejectedCrystal(f"{kind} is not finite")
    return values.astype(np.float32)


def _orbital_field(crystal: Crystal) -> NDArray[np.float64]:
    from sitenet.crystal.orbital_field import orbital_field_matrix

    return orbital_field_matrix(crystal)


def powder_pattern(crystal: Crystal) -> NDArray[np.float64]:
    """Density of the diffracted intensity over 2 theta at every degree: (128,)."""
    from pymatgen.analysis.diffraction import xrd
    from pymatgen.core import Structure
    from scipy.stats import gaussian_kde

    structure = Structure(
        crystal.lattice, [symbols()[z] for z in crystal.numbers.tolist()], crystal.frac
    )
    with mock.patch.object(xrd, "get_unique_families", new=_no_families):
        lines = xrd.XRDCalculator().get_pattern(structure, two_theta_range=(0, LARGEST_ANGLE))
    smeared = gaussian_kde(np.repeat(lines.x, lines.y.astype(int)), bw_method=SMEARING)
    return np.asarray(smeared(np.linspace(0, LARGEST_ANGLE, LARGEST_ANGLE + 1)))


def _no_families(indices: object) -> dict[object, int]:
    """In place of the families of Miller indices, which only plots show and which take longest."""
    return {}
