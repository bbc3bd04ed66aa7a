"""The supercell rule of the published Site-Net code, needed to reproduce its results.

On average it fills 80 % of N = 50 atoms, where 97 % are possible, and it depends on how the crystal
is described. `sitenet.crystal.supercell.optimal_supercell` avoids both.
"""

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Int = NDArray[np.int64]


def greedy_supercell(lattice: Float, sites: int, n_atoms: int) -> Int:
    """Supercell matrix (3, 3) with at most `n_atoms` atoms; one cell if that has more.

    The lattice A = R Q is sheared to orthogonal rows of lengths |R_ii|. The shortest edge grows by
    one cell at a time while the supercell has at most `n_atoms` atoms. The sheared cell is rounded
    (half to even) to integer multiples of the primitive vectors. Its determinant is the product of
    the three repeats.

    Args:
        lattice: (3, 3) primitive vectors as rows, in A.
        sites: P, sites of the primitive cell.
        n_atoms: N.
    """
    from scipy.linalg import rq  # imported on use: slow, and not needed for our own supercells

    triangle, _ = rq(lattice)
    inverse = np.linalg.inv(triangle)
    shear = np.diag(1.0 / inverse.diagonal()) @ inverse
    lengths = abs(triangle.diagonal())
    repeats = np.ones(3)
    while True:
        longer = repeats.copy()
        longer[np.argmin(repeats * lengths)] += 1
        if sites * longer.prod() > n_atoms:
            return np.rint(np.diag(repeats) @ shear).astype(np.int64)
        repeats = longer


def pymatgen_primitive(
    lattice: Float, numbers: Int, frac: Float, oxidation: Float, tolerance: float = 0.5
) -> tuple[Float, Int, Float, Float]:
    """Lattice, numbers, frac and oxidation of the primitive cell that the published code uses.

    It is pymatgen's, which merges copies up to `tolerance` (A) apart and does not change a cell
    that is already primitive.
    """
    from pymatgen.core import Species, Structure

    species = [
        Species.from_dict({"element": _symbol(z), "oxidation_state": q})
        for z, q in zip(numbers, oxidation, strict=True)
    ]
    found = Structure(lattice, species, frac).get_primitive_structure(tolerance=tolerance)
    return (
        found.lattice.matrix,
        np.array([site.specie.Z for site in found]),
        found.frac_coords,
        np.array([float(site.specie.oxi_state) for site in found]),
    )


def _symbol(number: int) -> str:
    from pymatgen.core import Element

    return Element.from_Z(int(number)).symbol
