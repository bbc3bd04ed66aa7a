"""Pre-training step of the merged engine against the plain dense formulation, on one batch.

    python benchmarks/infomax_step.py --table crystals.parquet --n 50 --sites 1200 --threads 1

Each path runs in a process of its own: Deep InfoMax with all false samples, forward, backward and
optimiser step in float32 with the paper's hyperparameters. Dense: every pair of a unique site and a
supercell atom, padded along the atoms, in eager PyTorch. The table needs a column `cif`.
"""

import os
import sys

import torch
import torch.nn.functional as F
from torch import Tensor
from training_step import as_batch, clock, compare, sample, timed

from sitenet.crystal.distances import atom_distances
from sitenet.crystal.merging import sites_apart
from sitenet.model.dense import DenseSiteNet
from sitenet.model.infomax.deep_infomax import DeepInfoMax
from sitenet.model.infomax.false_samples import derangement
from sitenet.model.infomax.scores import Sample
from sitenet.model.layers import LMN
from sitenet.model.sitenet import SiteNet
from sitenet.options.infomax import InfoMaxSettings
from sitenet.options.model import ModelSettings
from sitenet.options.training import TrainingSettings
from sitenet.shards.batch import DenseBatch, ragged_batch
from sitenet.train.optimiser import make_optimiser

ENCODER = ModelSettings(
    embedding_size=0,
    site_features_per_head=64,
    interaction_features_per_head=64,
    heads=1,
    blocks=1,
    attention_layers=(64,),
    pre_pool_layers=(64, 128),
    post_pool_layers=(64,),
    interaction_features="distance",
    site_feature_scaling="dim",
)


class FalseDenseBatch(DenseBatch):
    """Padded pairs, which have no types when their species are exchanged."""

    def with_types(self) -> "FalseDenseBatch":
        """The same."""
        return self


class DenseInfoMax(DeepInfoMax):
    """The same losses over padded pairs; false constituents are drawn for every atom."""

    def __init__(self, encoder: DenseSiteNet, settings: InfoMaxSettings) -> None:
        super().__init__(encoder, settings)
        for layer in self.modules():
            if isinstance(layer, LMN):
                layer.whole = None

    def _environments(
        self, batch: DenseBatch, share: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, list[Sample]]:
        """Constituents (R x A) of every site, and the three kinds of false ones."""
        donors = derangement(len(batch.sizes), generator)
        first = F.pad(batch.sizes.long().cumsum(0), (1, 0))
        donor = donors[batch.crystal]
        draw = torch.rand(len(donor), generator=generator)
        rows = first[donor] + (draw * batch.sizes[donor]).long()
        atoms = (~batch.padding).sum(1)
        draw = torch.rand(batch.distance.shape, generator=generator)
        drawn = (draw * atoms[rows][:, None]).long()
        features = self.features(batch.numbers, batch.oxidation)
        own, other = features[batch.column], features[batch.column[rows].gather(1, drawn)]
        distance, other_distance = batch.distance, batch.distance[rows].gather(1, drawn)
        here = torch.arange(len(rows))[:, None].expand_as(batch.column)
        exists = torch.ones_like(batch.sizes, dtype=torch.bool)

        def of(species: Tensor, apart: Tensor) -> Tensor:
            inputs = torch.cat([species, apart[..., None]], -1)
            return self.local_level.constituents(inputs.flatten(0, 1))

        def scored(table: int, kept: Tensor, rows: Tensor = here) -> Sample:
            weight = kept / kept.sum(1, keepdim=True) * share[:, None]
            constituent = table * here.numel() + rows * here.shape[1] + torch.arange(here.shape[1])
            return Sample(constituent.flatten(), here.flatten(), weight.flatten(), exists)

        kept = (~batch.padding).to(distance.dtype)
        table = torch.cat([of(own, distance), of(own, other_distance), of(other, distance)])
        falses = [scored(1, kept), scored(2, kept), scored(0, kept[rows], rows[:, None])]
        return table, [scored(0, kept), *falses]


def measure(path: str, options) -> dict[str, float]:  # type: ignore[no-untyped-def]
    """Seconds of the fastest of `--repeats` steps (after one to warm up), and peak memory."""
    crystals = sample(options.table, options.n, options.sites)
    batch = as_batch(path, crystals)
    if path == "merged":
        model = DeepInfoMax(SiteNet(ENCODER), InfoMaxSettings())
        apart = [sites_apart(atom_distances(c.lattice, c.frac, c.supercell), c.images, 1e-5)
                 for c in crystals]  # fmt: skip
        rows = [(c.numbers, c.oxidation, p) for c, p in zip(crystals, apart, strict=True)]
        sites = ragged_batch(rows).cast(torch.float32)
    else:
        os.environ["SITENET_ENGINE"] = "plain"
        model = DenseInfoMax(DenseSiteNet(ENCODER), InfoMaxSettings())
        sites = FalseDenseBatch(**vars(batch))
    optimiser = make_optimiser(model, TrainingSettings())
    generator = torch.Generator().manual_seed(0)

    def step() -> Tensor:
        optimiser.zero_grad()
        loss = model(batch, sites, generator).total
        loss.backward()
        optimiser.step()
        return loss

    return timed(step, crystals, options.repeats, clock(options))


if __name__ == "__main__":
    compare(measure, sys.argv, str(__doc__), same_loss=False)
