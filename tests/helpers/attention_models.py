"""Models with known attention, and the attention of the merged and of the dense model."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from example_crystals import primitive
from torch import Tensor

from sitenet.analysis.attention import atom_attention
from sitenet.crystal.distances import atom_distances
from sitenet.crystal.featurise import featurise
from sitenet.crystal.merging import MergedPairs
from sitenet.crystal.supercell import optimal_supercell
from sitenet.files import read_json, write_json
from sitenet.model.dense import DenseSiteNet
from sitenet.model.saving import save_model
from sitenet.model.sitenet import SiteNet
from sitenet.options.features import FeatureSettings
from sitenet.options.model import ModelSettings
from sitenet.shards.batch import DenseBatch, RaggedBatch, dense_batch, ragged_batch
from sitenet.structure.cif import Crystal

FEATURES = FeatureSettings(n_atoms=50)
SETTINGS = ModelSettings(embedding_size=5, site_features_per_head=4,
                         interaction_features_per_head=3, heads=2, attention_layers=(7,),
                         pre_pool_layers=(6,), post_pool_layers=(5,))  # fmt: skip


def sharp_model(settings: ModelSettings = SETTINGS) -> SiteNet:
    """Random weights whose attention varies over decades."""
    torch.manual_seed(0)
    model = SiteNet(settings)
    with torch.no_grad():
        for block in model.blocks:
            block.logits.weight *= 6
    return model.eval()


def one_site(distance: list[float], count: list[int], weight: int = 1) -> RaggedBatch:
    """A class of `weight` sites with the given merged pairs, all with its own class."""
    pairs = MergedPairs(
        site_class=np.zeros(weight, dtype=np.int64),
        row_length=np.array([len(distance)]),
        pair_class=np.zeros(len(distance), dtype=np.int64),
        pair_distance=np.array(distance),
        pair_count=np.array(count),
    )
    return ragged_batch([(np.full(weight, 6), np.zeros(weight), pairs)])


def saved_model(folder: Path, settings: ModelSettings = SETTINGS) -> Path:
    """A model of random weights as a run leaves it."""
    weights = folder / "model.safetensors"
    save_model(sharp_model(settings), settings, weights, weights.with_suffix(".json"),
               features=vars(FEATURES), label={"column": "gap", "unit": "eV"})  # fmt: skip
    return weights


def limit_memory(weights: Path, memory_gib: float) -> None:
    """As if the model had been trained with this limit."""
    description = weights.with_suffix(".json")
    write_json(description, read_json(description) | {"training": {"memory_gib": memory_gib}})


def _tables(crystals: Sequence[Crystal], n_atoms: int) -> tuple[list, list]:
    """(numbers, oxidation, pairs) and (numbers, oxidation, distances) of each crystal."""
    merged, full = [], []
    for given in crystals:
        settings = FeatureSettings(n_atoms=n_atoms, oxidation="given")
        found = featurise(given, settings)
        pairs = MergedPairs(found.site_class, found.row_length, found.pair_class,
                            found.pair_distance, found.pair_count)  # fmt: skip
        merged.append((found.numbers, found.oxidation, pairs))
        cell = primitive(given)
        distances = atom_distances(cell.lattice, cell.frac, optimal_supercell(cell, n_atoms).matrix)
        full.append((cell.numbers, cell.oxidation, distances))
    return merged, full


def both_models(
    crystals: Sequence[Crystal], n_atoms: int, settings: ModelSettings = SETTINGS
) -> tuple[tuple[SiteNet, RaggedBatch], tuple[DenseSiteNet, DenseBatch]]:
    """The merged and the dense model with the same weights, each with a batch of the crystals."""
    merged, full = _tables(crystals, n_atoms)
    model = sharp_model(settings).double()
    dense = DenseSiteNet(model.settings).double().eval()
    dense.load_state_dict(model.state_dict())
    return (model, ragged_batch(merged)), (dense, dense_batch(full))


def merged_and_dense(
    crystals: Sequence[Crystal], n_atoms: int
) -> tuple[tuple[RaggedBatch, Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Batch, pairs and attention of the merged model; distances and attention of the dense one."""
    (model, batch), (dense, everything) = both_models(crystals, n_atoms)
    trace: dict[str, torch.Tensor] = {}
    with torch.no_grad():
        ours = atom_attention(model, batch)
        dense.crystals(everything, trace)
    kept = ~everything.padding
    theirs = torch.stack([trace["attention0"][kept], trace["attention1"][kept]], 1)
    pairs = batch.site_weight[batch.pair_row] * batch.pair_count
    return (batch, pairs, ours), (everything.distance[kept], theirs)
