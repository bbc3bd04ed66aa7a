"""Descriptors of crystals from matminer, to which learned representations are compared.

ofm  orbital field matrix (T. Lam Pham et al., doi:10.1080/14686996.2017.1378060): products of the
     valence shells of an atom and its Voronoi neighbours, averaged over the atoms; 32 x 32 numbers.
xrd  smeared powder diffraction pattern for Cu K-alpha: one number for each degree 0-127 of 2 theta.

Both use matminer's default settings. matminer is imported when first used, as that takes seconds.
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
"""Length of each descriptor."""


def matminer_descriptor(crystal: Crystal, kind: str) -> Float:
    """The descriptor `kind` (a key of SIZES) of a crystal: (SIZES[kind],).

    Raises:
        RejectedCrystal: matminer fails, or its result is not finite.
    """
    from pymatgen.core import Structure

    structure = Structure(
        crystal.lattice, [symbols()[z] for z in crystal.numbers.tolist()], crystal.frac
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about rounding in Voronoi cells, for every atom
        try:
            values = np.asarray(_featurizer(kind).featurize(structure), dtype=np.float32)
        except Exception as error:  # Qhull, spglib and missing elements raise various types
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
