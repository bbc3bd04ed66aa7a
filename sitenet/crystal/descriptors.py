"""Descriptors of whole crystals that learned ones are compared with, by matminer.

ofm  orbital field matrix (T. Lam Pham et al., doi:10.1080/14686996.2017.1378060): products of the
     valence shells of an atom and its Voronoi neighbours, mean over the atoms; 32 x 32 numbers.
xrd  powder diffraction pattern of Cu K-alpha, smeared: one number for each degree 0-127 of 2 theta.

Both as matminer computes them by default; matminer is imported when first needed, which takes some
seconds.
"""

import warnings
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sitenet.structure.cif import Crystal
from sitenet.structure.elements import symbols
from sitenet.structure.rejection import RejectedCrystal

Float = NDArray[np.float32]

SIZES = {"ofm": 1024, "xrd": 128}
"""Numbers of each descriptor."""


def matminer_descriptor(crystal: Crystal, kind: str) -> Float:
    """The descriptor `kind` (a key of SIZES) of a crystal: (SIZES[kind],).

    Raises:
        RejectedCrystal: matminer fails on it or gives numbers that are not finite.
    """
    from pymatgen.core import Structure

    structure = Structure(
        crystal.lattice, [symbols()[z] for z in crystal.numbers.tolist()], crystal.frac
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of rounding in Voronoi cells, atom by atom
        try:
            values = np.asarray(_featurizer(kind).featurize(structure), dtype=np.float32)
        except Exception as error:  # whatever Qhull, spglib or a missing element leads to
            raise RejectedCrystal(
                f"matminer finds no {kind}: {type(error).__name__}: {error}"
            ) from error
    if not np.isfinite(values).all():
        raise RejectedCrystal(f"matminer's {kind} is not finite")
    return values


@lru_cache(maxsize=len(SIZES))
def _featurizer(kind: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from matminer.featurizers.structure import OrbitalFieldMatrix, XRDPowderPattern
    return {"ofm": OrbitalFieldMatrix, "xrd": XRDPowderPattern}[kind]()
