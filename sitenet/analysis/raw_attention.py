"""The attention of one crystal without merging: every unique site to every supercell atom."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sitenet.analysis.explanation import Explanation, site_names
from sitenet.analysis.surroundings import images_around
from sitenet.crystal.featurise import MergedCrystal
from sitenet.structure.elements import symbols
from sitenet.tables import write_table


def every_pair(explanation: Explanation) -> pd.DataFrame:
    """One row for each pair of the P unique sites and A supercell atoms of a crystal.

    Columns: site (1 to P) and kind (name of its site class); atom (1 to A; images of a site are
    consecutive), atom_kind, element; x, y, z from the site to the nearest image of the atom, and
    the length of that vector, distance (A; 0 for the site itself); block1_head1, ...: attention of
    the site to the atom, which sums to 1 over the atoms.
    """
    crystal = explanation.crystal
    sites, images = len(crystal.numbers), crystal.images
    nearest = np.stack([_nearest_images(crystal, site) for site in range(sites)])
    distance = np.linalg.norm(nearest, axis=2)
    site, atom = (index.ravel() for index in np.indices(distance.shape))
    names = np.array(site_names(crystal))[crystal.site_class]
    elements = np.array([symbols()[int(z)] for z in crystal.numbers])
    x, y, z = nearest.reshape(-1, 3).T
    columns = {
        "site": site + 1,
        "kind": names[site],
        "atom": atom + 1,
        "atom_kind": names[atom // images],
        "element": elements[atom // images],
        "x": x,
        "y": y,
        "z": z,
        "distance": distance.ravel(),
    }
    rows = [_merged_pair(crystal, k, distance[k]) for k in range(sites)]
    attention = explanation.attention[np.concatenate(rows)]
    heads = {
        f"block{b + 1}_head{h + 1}": attention[:, b, h]
        for b in range(attention.shape[1])
        for h in range(attention.shape[2])
    }
    return pd.DataFrame(columns | heads)


def _nearest_images(crystal: MergedCrystal, site: int) -> NDArray[np.float64]:
    """Vectors (A, 3) in A from a site to the nearest image of each atom."""
    images = images_around(crystal, site)
    chosen = np.linalg.norm(images, axis=2).argmin(axis=1)
    return images[np.arange(len(images)), chosen]


def _merged_pair(crystal: MergedCrystal, site: int, distance: NDArray) -> NDArray[np.int64]:
    """Index (A,) of the merged pair that each atom, at `distance` (A,) from a site, belongs to.

    Among the merged pairs with the atom's site class it is the one with the nearest distance:
    merging shifts a distance by less than half of its separation from the next one.
    """
    ends = np.cumsum(crystal.row_length)
    last = ends[crystal.site_class[site]]
    first = last - crystal.row_length[crystal.site_class[site]]
    classes = np.repeat(crystal.site_class, crystal.images)
    pair = np.empty(len(distance), dtype=np.int64)
    for site_class in np.unique(classes):
        atoms = np.flatnonzero(classes == site_class)
        ours = first + np.flatnonzero(crystal.pair_class[first:last] == site_class)
        ours = ours[np.argsort(crystal.pair_distance[ours])]
        known = crystal.pair_distance[ours]
        pair[atoms] = ours[np.searchsorted((known[1:] + known[:-1]) / 2, distance[atoms])]
    return pair


def write_raw_attention(explanation: Explanation, path: Path) -> None:
    """Write `every_pair` as Parquet."""
    write_table(path, every_pair(explanation))
