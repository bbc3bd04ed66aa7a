"""From one crystal to the merged pairs that the model takes as input."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sitenet.crystal.distances import atom_distances
from sitenet.crystal.element_features import HEAVIEST, missing_property
from sitenet.crystal.greedy_supercell import greedy_supercell, pymatgen_primitive
from sitenet.crystal.merging import merge_pairs
from sitenet.crystal.primitive import primitive_cell
from sitenet.crystal.site_geometry import geometry_kinds
from sitenet.crystal.supercell import optimal_supercell
from sitenet.options.features import FeatureSettings
from sitenet.structure.cif import Crystal
from sitenet.structure.elements import symbols
from sitenet.structure.oxidation import guess_oxidation
from sitenet.structure.rejection import RejectedCrystal

Float = NDArray[np.float64]
Int = NDArray[np.int64]


@dataclass(frozen=True)
class MergedCrystal:
    """P sites of the primitive cell, R site classes, E merged pairs grouped by class.

    lattice (3, 3): primitive vectors as rows, in A. numbers (P,). frac (P, 3). oxidation (P,) in e.
    supercell (3, 3): integer; rows are supercell vectors in units of primitive vectors. images: K.
    site_class, row_length, pair_class, pair_distance, pair_count: as in `MergedPairs`.
    geometry (R, G): of the classes, as from `geometry_kinds`; None without `site_geometry`.
    """

    lattice: Float
    numbers: Int
    frac: Float
    oxidation: Float
    supercell: Int
    images: int
    site_class: Int
    row_length: Int
    pair_class: Int
    pair_distance: Float
    pair_count: Int
    geometry: Float | None = None


def featurise(crystal: Crystal, settings: FeatureSettings) -> MergedCrystal:
    """Primitive cell, supercell, distances and merged pairs of one crystal.

    Raises:
        RejectedCrystal: an element is heavier than Es or, with missing_elements "drop", has no
            value of a Magpie property.
    """
    _check_elements(crystal.numbers, settings.missing_elements)
    guessed = settings.oxidation == "guess"
    oxidation = guess_oxidation(crystal.numbers) if guessed else crystal.oxidation
    given = crystal.lattice, crystal.numbers, crystal.frac, oxidation
    if settings.supercell == "greedy":
        lattice, numbers, frac, oxidation = pymatgen_primitive(*given)
        matrix = greedy_supercell(lattice, len(numbers), settings.n_atoms)
        distances = atom_distances(lattice, frac, matrix)
        orbits = symmetric = np.arange(len(numbers))
    else:
        cell = primitive_cell(*given, settings.primitive_tolerance)
        lattice, numbers, frac, oxidation = cell.lattice, cell.numbers, cell.frac, cell.oxidation
        supercell = optimal_supercell(cell, settings.n_atoms)
        matrix, distances, (_, orbits, _) = supercell.matrix, supercell.distances, supercell.orbits
        symmetric = cell.images.min(axis=0)  # also by operations that the supercell breaks
    kinds = geometry = None
    if settings.site_geometry:
        kinds, geometry = geometry_kinds(lattice, numbers, frac, symmetric)
    images = distances.shape[1] // len(numbers)
    tolerance = settings.merge_tolerance
    merged = merge_pairs(numbers, oxidation, distances, images, tolerance, orbits, kinds)
    if kinds is not None and geometry is not None:
        geometry = geometry[kinds[np.unique(merged.site_class, return_index=True)[1]]]
    return MergedCrystal(
        lattice, numbers, frac, oxidation, matrix, images, **vars(merged), geometry=geometry
    )


def _check_elements(numbers: Int, missing: str) -> None:
    if numbers.max() > HEAVIEST:
        raise RejectedCrystal(f"element {numbers.max()} is heavier than einsteinium ({HEAVIEST})")
    lacking = missing_property(numbers) if missing == "drop" else None
    if lacking is not None:
        raise RejectedCrystal(f"{symbols()[lacking[0]]} has no Magpie {lacking[1]}")
