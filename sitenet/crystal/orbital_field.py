"""Orbital field matrix: valence shells of an atom times those of its Voronoi neighbours.

T. Lam Pham et al., doi:10.1080/14686996.2017.1378060, with the conventions and default settings of
matminer, whose results these are. matminer tessellates all atoms within 13 A of a site in a
supercell of 27 cells; here as many as decide the site's Voronoi cell, which is a tenth of the time.
"""

from functools import cache

import numpy as np
import spglib
from numpy.typing import NDArray
from pymatgen.core import Element, Lattice
from pymatgen.core.local_env import solid_angle
from pymatgen.util.coord import pbc_shortest_vectors
from scipy.constants import value
from scipy.spatial import QhullError, Voronoi

from sitenet.structure.cif import Crystal

Array = NDArray[np.float64]

ANGSTROM = value("Angstrom star") / value("Bohr radius")
"""As matminer has it, in bohr; the angstrom star is longer than an angstrom by 1.5e-5."""

SHELLS = {"s": 0, "p": 2, "d": 8, "f": 18}
"""First place of each kind of shell in a valence vector, which has one per number of electrons."""

SIZE = 32

HEAVIEST = 94
"""Largest atomic number with a vector."""

NEAR, FAR = 6.5, 13.0
"""First and largest radius in A within which neighbours are looked for."""

SUPERCELL = 3
"""A distance is the shortest one modulo the lattice of a supercell of so many cells each way."""


def orbital_field_matrix(crystal: Crystal) -> Array:
    """The matrix of a crystal, averaged over its atoms: (1024,), row by row.

    Raises:
        KeyError: an element is heavier than `HEAVIEST`.
        ValueError, QhullError: a site has no Voronoi neighbours.
    """
    cell = Lattice(crystal.lattice)
    wide = Lattice(SUPERCELL * cell.matrix)
    found = spglib.get_symmetry_dataset((cell.matrix, crystal.frac, crystal.numbers), symprec=0.01)
    if found is None:
        raise ValueError("spglib finds no symmetry")
    sites, atoms = np.unique(found.equivalent_atoms, return_counts=True)
    total = np.zeros((SIZE, SIZE))
    for site, count in zip(sites.tolist(), atoms.tolist(), strict=True):
        places, numbers, angles = _neighbours(crystal, cell, site)
        weight = angles / angles.max()
        square = pbc_shortest_vectors(
            wide, crystal.frac[site] / SUPERCELL, places / SUPERCELL, return_d2=True
        )[1][0]
        around = np.zeros(SIZE)
        for number, share, distance in zip(numbers, weight, np.sqrt(square), strict=True):
            if share > 0:
                around += valence_vector(int(number)) * share / distance / ANGSTROM
        total += np.outer(around, valence_vector(int(crystal.numbers[site]))) * count
    return (total / len(crystal.numbers)).ravel()


@cache
def valence_vector(number: int) -> Array:
    """(32,): ones for the number of electrons in each valence shell of an element.

    Raises:
        KeyError: the element is heavier than `HEAVIEST`.
    """
    if number > HEAVIEST:
        raise KeyError(number)
    shells = Element.from_Z(number).full_electronic_structure
    outermost = shells[-1][0]
    vector = np.zeros(SIZE)
    for n, kind, electrons in shells:
        inside = outermost - n
        if inside <= 0 or (inside == 1 and kind in "df") or (inside == 2 and kind == "f"):
            vector[SHELLS[kind] + electrons - 1] = 1
    return vector


def _neighbours(crystal: Crystal, cell: Lattice, site: int) -> tuple[Array, Array, Array]:
    """Fractional positions (m, 3), elements (m,), solid angles (m,) of the Voronoi neighbours."""
    center = cell.get_cartesian_coords(crystal.frac[site])
    radius = NEAR
    while True:
        places, distance, index, _ = cell.get_points_in_sphere(
            crystal.frac, center, radius, zip_results=False
        )
        order = np.argsort(distance, kind="stable")  # the site itself comes first
        points = places[order] @ cell.matrix
        try:
            diagram = Voronoi(points)
        except QhullError:
            if radius >= FAR:
                raise
        else:
            if radius >= FAR or _is_decided(diagram, radius):
                break
        radius = min(1.5 * radius, FAR)
    others, angles = [], []
    for face in np.flatnonzero((diagram.ridge_points == 0).any(axis=1)).tolist():
        corners = diagram.ridge_vertices[face]
        if -1 not in corners:  # otherwise the face has no end
            others.append(diagram.ridge_points[face].sum())
            angles.append(solid_angle(points[0], diagram.vertices[corners]))
    if not others:
        raise ValueError("no Voronoi neighbors found")
    neighbours = order[others]
    return places[neighbours], crystal.numbers[index[neighbours]], np.array(angles)


def _is_decided(diagram: Voronoi, radius: float) -> bool:
    """Whether no atom beyond `radius` can change the Voronoi cell of the first point.

    It can only if it is nearer to a corner of that cell than the first point.
    """
    corners = diagram.regions[diagram.point_region[0]]
    if -1 in corners:
        return False
    reach = np.linalg.norm(diagram.vertices[corners] - diagram.points[0], axis=1).max()
    return bool(2 * reach < radius)
