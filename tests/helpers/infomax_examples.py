"""Small batches of real crystals and a small model for the tests of Deep InfoMax."""

import numpy as np
import torch
from example_crystals import EXAMPLES

from sitenet.crystal.distances import atom_distances
from sitenet.crystal.merging import merge_pairs, sites_apart
from sitenet.crystal.primitive import primitive_cell
from sitenet.crystal.supercell import optimal_supercell
from sitenet.model.infomax.deep_infomax import DeepInfoMax
from sitenet.model.sitenet import SiteNet
from sitenet.options.infomax import InfoMaxSettings
from sitenet.options.model import ModelSettings
from sitenet.shards.batch import RaggedBatch, ragged_batch

MODEL = ModelSettings(
    embedding_size=0,
    site_features_per_head=12,
    interaction_features_per_head=10,
    heads=1,
    blocks=1,
    attention_layers=(9,),
    pre_pool_layers=(11, 8),
    post_pool_layers=(7,),
    interaction_features="distance",
    site_feature_scaling="dim",
)
CHARGES = {11: 1.0, 17: -1.0, 22: 4.0, 8: -2.0, 38: 2.0}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batches(names: list[str], n_atoms: int = 24) -> tuple[RaggedBatch, RaggedBatch]:
    """The crystals merged, and with a row per site."""
    merged, apart = [], []
    for name in names:
        given = EXAMPLES[name]
        charges = np.array([CHARGES.get(z, 0.0) for z in given.numbers])
        cell = primitive_cell(given.lattice, given.numbers, given.frac, charges, 0.01)
        matrix = optimal_supercell(cell, n_atoms).matrix
        distances = atom_distances(cell.lattice, cell.frac, matrix)
        images = distances.shape[1] // len(cell.numbers)
        about = cell.numbers, cell.oxidation
        merged.append((*about, merge_pairs(*about, distances, images, 1e-6)))
        apart.append((*about, sites_apart(distances, images, 1e-6)))
    return ragged_batch(merged), ragged_batch(apart)


def model(loss: InfoMaxSettings | None = None, seed: int = 0) -> DeepInfoMax:
    torch.manual_seed(seed)
    settings = loss or InfoMaxSettings(upscaling_layers=(10, 16))
    return DeepInfoMax(SiteNet(MODEL), settings).double()


def species(batch: RaggedBatch, crystal: int) -> list[tuple[float, float]]:
    mine = batch.crystal == crystal
    pairs = zip(batch.numbers[mine].tolist(), batch.oxidation[mine].tolist(), strict=True)
    return sorted(pairs)
