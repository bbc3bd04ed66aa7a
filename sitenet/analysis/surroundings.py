"""Positions of the supercell atoms around one site, with the attention to each of them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sitenet.analysis.explanation import Explanation, site_names
from sitenet.crystal.distances import lattice_points
from sitenet.crystal.featurise import MergedCrystal
from sitenet.crystal.lattice_reduction import minkowski

Float = NDArray[np.float64]
Int = NDArray[np.int64]

SAME = 1e-3
"""A. Images of an atom whose distances differ by less are considered equally near."""


@dataclass(frozen=True)
class Surroundings:
    """n nearest images of the supercell atoms around a site.

    position (n, 3) in A, relative to the site; site_class (n,); distance (n,) in A.
    """

    position: Float
    site_class: Int
    distance: Float


def surroundings(crystal: MergedCrystal, site: str) -> Surroundings:
    """The atoms that the first site of the site class named `site` attends to.

    An atom on the boundary of the supercell has several nearest images; all of them are returned.
    Raises ValueError for an unknown name.
    """
    names = site_names(crystal)
    if site not in names:
        raise ValueError(f"there is no site {site}; the crystal has {', '.join(names)}")
    centre = int(np.flatnonzero(crystal.site_class == names.index(site))[0])
    images = images_around(crystal, centre)
    distance = np.linalg.norm(images, axis=2)
    atom, shift = np.nonzero(distance <= distance.min(axis=1, keepdims=True) + SAME)
    classes = crystal.site_class[atom // crystal.images]
    return Surroundings(images[atom, shift], classes, distance[atom, shift])


def images_around(crystal: MergedCrystal, centre: int) -> Float:
    """27 images of each of the A supercell atoms, relative to site `centre`, in A: (A, 27, 3).

    The nearest images are among them.
    """
    axes = crystal.supercell @ crystal.lattice
    axes = minkowski(axes @ axes.T) @ axes
    cells = lattice_points(crystal.supercell)
    frac = (crystal.frac[:, None] + cells - crystal.frac[centre]).reshape(-1, 3)
    inside = frac @ crystal.lattice @ np.linalg.inv(axes)
    inside -= np.rint(inside)
    shifts = np.array(list(np.ndindex(3, 3, 3))) - 1
    return (inside[:, None] + shifts) @ axes


def attention_to(
    explanation: Explanation, around: Surroundings, site: str, block: int, head: int
) -> Float:
    """Attention (n,) of site class `site` to each of the atoms `around`, in one head."""
    table = explanation.neighbours
    table = table[(table.site == site) & (table.block == block) & (table["head"] == head)]
    index = {name: k for k, name in enumerate(site_names(explanation.crystal))}
    neighbour = table.neighbour.map(index).to_numpy()
    apart = abs(around.distance[:, None] - table.distance.to_numpy())
    apart[around.site_class[:, None] != neighbour] = np.inf
    return table.weight.to_numpy()[apart.argmin(axis=1)]
