"""What can be computed of a crystal without a label: targets for an encoder to learn.

Bonds, coordination, packing (`sitenet.crystal.bonds`), and with the oxidation states as point
charges the electrostatic potentials of the sites and the bond valences.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sitenet.crystal.bonds import BOND_FEATURES, bond_features
from sitenet.crystal.featurise import MergedCrystal
from sitenet.progress import Progress
from sitenet.shards.schema import LISTS, read_lists
from sitenet.shards.vectors import write_vectors
from sitenet.sources.bond_valence import bond_valence_sums, without_parameters
from sitenet.sources.ewald import site_potentials
from sitenet.tables import read_ids

Float = NDArray[np.float64]

IONIC = (
    "electrostatic energy",
    *(f"potential, {one}" for one in ("minimum", "maximum", "deviation")),
    *(f"potential of {ions}, {one}" for ions in ("cations", "anions")
      for one in ("mean", "deviation")),
    "instability index",
    "mean bond valence sum",
)  # fmt: skip
"""eV/atom, V, valence units. The index is the root mean square of bond valence sum minus charge."""

CHOSEN = tuple(
    k for k, name in enumerate(BOND_FEATURES) if not name.endswith(("of one", "of other"))
)
"""Places of the bond features that count: which atom of a bond is the one follows from rounding."""

TARGETS = (*(BOND_FEATURES[k] for k in CHOSEN), *IONIC)

ACCURACY = 3.2
"""Ewald sums are truncated where terms are below exp(-ACCURACY^2) = 4e-5."""


def write_computed_targets(shard: Path, out: Path, label: str) -> None:
    """Write the numbers `TARGETS` of the crystals of a shard, a table of `sitenet.shards.vectors`.

    Some are NaN: the ionic ones where an element has no oxidation state or no bond-valence
    parameters. Messages begin with `label`. Raises DamagedTable.
    """
    ids = read_ids(shard)
    progress = Progress(len(ids), label, "crystals")
    rows = [targets_of(crystal) for crystal in progress.counting(_crystals(shard))]
    progress.finish()
    write_vectors(out, ids, [np.reshape(rows, (len(ids), len(TARGETS))).astype(np.float32)])


def targets_of(crystal: MergedCrystal) -> Float:
    """The numbers `TARGETS` of a crystal, NaN where there is none."""
    with np.errstate(all="ignore"):
        found = np.concatenate([_bonds(crystal), _ionic(crystal)])
    return np.where(np.isfinite(found), found, np.nan)


def _bonds(crystal: MergedCrystal) -> Float:
    if not (crystal.pair_distance > 0).any():  # a supercell of one atom
        return np.full(len(CHOSEN), np.nan)
    return bond_features(crystal)[[*CHOSEN]]


def _ionic(crystal: MergedCrystal) -> Float:
    found, charges = np.full(len(IONIC), np.nan), crystal.oxidation
    if not charges.all() or abs(charges.sum()) > len(charges) * 1e-6:
        return found
    charges = charges - charges.mean()  # what rounding to 32 bits left
    potential = site_potentials(crystal.lattice, crystal.frac, charges, ACCURACY)
    signs = (charges > 0, charges < 0)
    found[:8] = [
        (potential * charges).mean() / 2,
        potential.min(), potential.max(), potential.std(),
        *(value for sign in signs for value in (potential[sign].mean(), potential[sign].std())),
    ]  # fmt: skip
    if not without_parameters(crystal.numbers):
        sums = bond_valence_sums(crystal.lattice, crystal.frac, crystal.numbers, charges)
        found[8:] = np.sqrt(((sums - charges) ** 2).mean()), np.abs(sums).mean()
    return found


def _crystals(shard: Path) -> Iterator[MergedCrystal]:
    """Crystals of a shard, one after another; without geometry."""
    for group in read_lists(shard, ("images", *LISTS)):
        ends = {name: np.cumsum(group[f"{name}.length"])[:-1] for name in LISTS}
        columns = {name: np.split(group[name], ends[name]) for name in LISTS}
        for row, images in enumerate(group["images"]):
            own = {column: parts[row] for column, parts in columns.items()}
            yield MergedCrystal(
                lattice=own["lattice"].reshape(3, 3),
                numbers=own["numbers"].astype(np.int64),
                frac=own["frac"].reshape(-1, 3),
                oxidation=own["oxidation"].astype(np.float64),
                supercell=own["supercell"].reshape(3, 3).astype(np.int64),
                images=int(images),
                site_class=own["site_class"].astype(np.int64),
                row_length=own["row_length"].astype(np.int64),
                pair_class=own["pair_class"].astype(np.int64),
                pair_distance=own["pair_distance"].astype(np.float64),
                pair_count=own["pair_count"].astype(np.int64),
            )
