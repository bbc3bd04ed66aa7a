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
from sitenet.sources.ionic import IONIC, ionic_numbers
from sitenet.tables import read_ids

Float = NDArray[np.float64]

CHOSEN = tuple(
    k for k, name in enumerate(BOND_FEATURES) if not name.endswith(("of one", "of other"))
)
"""Places of the bond features that count: which atom of a bond is the one follows from rounding."""

TARGETS = (*(BOND_FEATURES[k] for k in CHOSEN), *IONIC)


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
        found = np.concatenate([_bonds(crystal), ionic_numbers(crystal)])
    return np.where(np.isfinite(found), found, np.nan)


def _bonds(crystal: MergedCrystal) -> Float:
    if not (crystal.pair_distance > 0).any():  # a supercell of one atom
        return np.full(len(CHOSEN), np.nan)
    return bond_features(crystal)[[*CHOSEN]]


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
