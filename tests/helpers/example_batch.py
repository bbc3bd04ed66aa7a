"""The example crystals as a batch."""

from dataclasses import replace

import torch
from example_crystals import EXAMPLES

from sitenet.crystal.featurise import featurise
from sitenet.options.features import FeatureSettings
from sitenet.shards.batch import RaggedBatch
from sitenet.shards.store import CrystalStore


def example_batch() -> RaggedBatch:
    """The example crystals at N = 30, with oxidation states."""
    merged = [featurise(crystal, FeatureSettings(n_atoms=30)) for crystal in EXAMPLES.values()]
    made = CrystalStore.from_crystals(list(EXAMPLES), merged).batch(torch.arange(len(merged)))
    return replace(made, oxidation=(made.numbers % 5).float() - 2)
