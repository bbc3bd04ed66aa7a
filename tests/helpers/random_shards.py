"""Shards of random crystals."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from sitenet.crystal.featurise import MergedCrystal, featurise
from sitenet.options.features import FeatureSettings
from sitenet.shards.schema import open_writer, to_table
from sitenet.structure.cif import Crystal


def random_crystal(random: np.random.Generator, sites: int, n_atoms: int = 20) -> MergedCrystal:
    """A featurised crystal of `sites` atoms anywhere in a cuboid."""
    lattice = np.diag(random.uniform(4, 6, 3))
    given = random.integers(1, 90, sites), random.random((sites, 3)), np.zeros(sites)
    return featurise(Crystal(lattice, *given, ""), FeatureSettings(n_atoms=n_atoms))


def write_shard(path: Path, sites: Mapping[str, int], group: int = 10) -> None:
    """Crystals with these ids and numbers of sites, `group` of them in a row group."""
    random = np.random.default_rng(0)
    names = list(sites)
    with open_writer(path) as writer:
        for start in range(0, len(names), group):
            chosen = names[start : start + group]
            crystals = [random_crystal(random, sites[name]) for name in chosen]
            writer.write_table(to_table(chosen, crystals))
