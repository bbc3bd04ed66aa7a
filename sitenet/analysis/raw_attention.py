"""The attention of one crystal with nothing merged: every unique site, every supercell atom."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sitenet.analysis.explain import Explanation, places_around, site_names
from sitenet.crystal.featurise import MergedCrystal
from sitenet.structure.elements import symbols
from sitenet.tables import write_table


def every_pair(explanation: Explanation) -> pd.DataFrame:
    """One row for each of the P unique sites and A supercell atoms of a crystal.

    Columns: site (1 to P) and kind (its name in the other tables); atom (1 to A; the images of a
    site follow one another), atom_kind, element; x, y, z from the site to the nearest place of the
    atom, and their length distance (A; 0 for the site itself); block1_head1, ...: attention of the
    site to the atom, which adds up to 1 over the atoms.
    """
    crystal = explanation.crystal
    sites, images = len(crystal.numbers), crystal.images
    nearest = np.stack([_nearest(crystal, site) for site in range(sites)])
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


def _nearest(crystal: MergedCrystal, site: int) -> NDArray[np.float64]:
    """From a site to the nearest place of each atom (A, 3)."""
    places = places_around(crystal, site)
    chosen = np.linalg.norm(places, axis=2).argmin(axis=1)
    return places[np.arange(len(places)), chosen]


def _merged_pair(crystal: MergedCrystal, site: int, distance: NDArray) -> NDArray[np.int64]:
    """The merged pair (A,) that each atom, `distance` (A,) from a site, is part of.

    That is the one of the atom's class whose distance is nearest: merging moves no distance as far
    as halfway to the next one.
    """
    ends = np.cumsum(crystal.row_length)
    last = ends[crystal.site_class[site]]
    first = last - crystal.row_length[crystal.site_class[site]]
    kinds = np.repeat(crystal.site_class, crystal.images)
    pair = np.empty(len(distance), dtype=np.int64)
    for kind in np.unique(kinds):
        atoms = np.flatnonzero(kinds == kind)
        ours = first + np.flatnonzero(crystal.pair_class[first:last] == kind)
        ours = ours[np.argsort(crystal.pair_distance[ours])]
        known = crystal.pair_distance[ours]
        pair[atoms] = ours[np.searchsorted((known[1:] + known[:-1]) / 2, distance[atoms])]
    return pair


def write_raw_attention(explanation: Explanation, path: Path) -> None:
    """Write `every_pair` as Parquet."""
    write_table(path, every_pair(explanation))
