"""Information content of a crystal structure: the measures of CrystIT, computed with spglib.

Every orbit k of sites under the space group has a multiplicity m_k in the primitive cell and an
arity A_k, the number of its free coordinates. The complexity of a structure is the entropy of the
distribution of sites and free coordinates over the orbits:
combinatorial (S. V. Krivovichev 2012, doi:10.1107/S0108767312012044), coordinational and
configurational (W. Hornfeck 2020, doi:10.1107/S2053273320006634), as computed by CrystIT
(C. Kaussler & G. Kieslich 2021, doi:10.1107/S1600576720016386).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import spglib
from numpy.typing import NDArray

Float = NDArray[np.float64]
Int = NDArray[np.int64]


class NoSymmetry(ValueError):
    """No space group could be determined for a crystal."""


@dataclass(frozen=True)
class Complexity:
    """Measures of one crystal with V sites in the primitive cell and A free coordinates.

    i_comb in bits per site, i_coor in bits per free coordinate, i_conf in bits per degree of
    freedom (V + A). _max: largest possible value, for equal orbits. _norm: ratio to _max, 0 if that
    is 0. _tot: bits per primitive cell. _dens: bits per A^3.
    """

    i_comb: float
    i_comb_max: float
    i_comb_norm: float
    i_comb_tot: float
    i_comb_dens: float
    i_coor: float
    i_coor_max: float
    i_coor_norm: float
    i_coor_tot: float
    i_coor_dens: float
    i_conf: float
    i_conf_max: float
    i_conf_norm: float
    i_conf_tot: float
    i_conf_dens: float
    orbits: int
    primitive_sites: int
    arity: int
    space_group: int
    primitive_volume: float
    """A^3"""
    primitive_length: float
    """Cube root of the volume, A."""


@dataclass(frozen=True)
class Orbits:
    """Multiplicities (K,) and arities (K,) of the orbits; volume of the primitive cell in A^3."""

    multiplicity: Int
    arity: Int
    space_group: int
    volume: float


def complexity(lattice: Float, numbers: Int, frac: Float, symprec: float = 5e-3) -> Complexity:
    """All measures of an ordered crystal.

    Args:
        lattice: (3, 3) rows a, b, c in A, of any cell of the crystal.
        numbers: (n,) atomic numbers.
        frac: (n, 3) fractional positions.
        symprec: spglib's tolerance of positions in A (CrystIT's default).

    Raises:
        NoSymmetry: spglib finds no space group, or one that is inconsistent with the orbits.
    """
    found = symmetry_orbits(lattice, numbers, frac, symprec)
    sites, freedom = int(found.multiplicity.sum()), int(found.arity.sum())
    both = np.concatenate([found.multiplicity, found.arity])
    orbits = len(found.multiplicity)
    return Complexity(
        **_measures("comb", found.multiplicity, orbits, found.volume),
        **_measures("coor", found.arity, orbits, found.volume),
        **_measures("conf", both, 2 * orbits, found.volume),
        orbits=orbits,
        primitive_sites=sites,
        arity=freedom,
        space_group=found.space_group,
        primitive_volume=found.volume,
        primitive_length=found.volume ** (1 / 3),
    )


def symmetry_orbits(lattice: Float, numbers: Int, frac: Float, symprec: float) -> Orbits:
    """Multiplicity in the primitive cell and arity of every orbit of sites.

    The arity of a position is the dimension of the subspace that is invariant under its site
    symmetry: the trace of the mean of that group's rotations. Raises NoSymmetry.
    """
    dataset = _dataset(lattice, numbers, frac, symprec)
    primitive = np.asarray(dataset.mapping_to_primitive)
    orbit_of = np.empty(primitive.max() + 1, dtype=np.int64)
    orbit_of[primitive] = np.unique(dataset.crystallographic_orbits, return_inverse=True)[1]
    multiplicity = np.bincount(orbit_of)

    rotations, translations = _operations(int(dataset.hall_number))
    orbit_in_standard = orbit_of[dataset.std_mapping_to_primitive]
    first = np.unique(orbit_in_standard, return_index=True)[1]
    moved = _displacements(
        dataset.std_positions[first], rotations, translations, dataset.std_lattice
    )
    stabiliser, rest = np.divmod(len(rotations), np.bincount(orbit_in_standard))
    if rest.any():
        raise NoSymmetry("the orbits of the sites do not fit the space group")
    # The order of the site symmetry group is known, so its members are the operations with the
    # smallest displacements of the site. This needs no second tolerance.
    traces = np.trace(rotations, axis1=1, axis2=2)[np.argsort(moved, axis=1, kind="stable")]
    arity = np.array([trace[:order].sum() for trace, order in zip(traces, stabiliser, strict=True)])
    volume = abs(float(np.linalg.det(dataset.primitive_lattice)))
    return Orbits(multiplicity, arity // stabiliser, int(dataset.number), volume)


def entropy(counts: Int) -> float:
    """Shannon entropy in bits of the fractions `counts` / sum(counts); 0 if the sum is 0."""
    positive = counts[counts > 0]
    if len(positive) == 0:
        return 0.0
    shares = positive / positive.sum()
    return abs(float(shares @ np.log2(shares)))


def _measures(name: str, counts: Int, kinds: int, volume: float) -> dict[str, float]:
    """Fields i_<name>... of `Complexity` for the entropy of `counts` over `kinds` categories."""
    content, largest, total = entropy(counts), float(np.log2(kinds)), int(counts.sum())
    return {
        f"i_{name}": content,
        f"i_{name}_max": largest,
        f"i_{name}_norm": content / largest if largest > 0 else 0.0,
        f"i_{name}_tot": content * total,
        f"i_{name}_dens": content * total / volume,
    }


def _dataset(lattice: Float, numbers: Int, frac: Float, symprec: float) -> spglib.SpglibDataset:
    try:
        dataset = spglib.get_symmetry_dataset((lattice, frac, numbers), symprec=symprec)
    except spglib.SpglibError as error:
        raise NoSymmetry(f"no space group was found: {error}") from None
    if dataset is None:
        raise NoSymmetry("no space group was found")
    return dataset


@lru_cache(maxsize=530)  # one entry for each Hall number
def _operations(hall_number: int) -> tuple[Int, Float]:
    """Rotations (G, 3, 3) and translations (G, 3) of a space group in its standard setting."""
    group = spglib.get_symmetry_from_database(hall_number)
    return group["rotations"].astype(np.int64), group["translations"]


def _displacements(sites: Float, rotations: Int, translations: Float, lattice: Float) -> Float:
    """Squared displacement (A^2) of each site by each operation, to the nearest image: (K, G)."""
    moves = np.einsum("gij,kj->kgi", rotations, sites) + translations - sites[:, None]
    moves -= np.rint(moves)
    return ((moves @ lattice) ** 2).sum(axis=2)
