"""Deep InfoMax at two levels: atoms' environments and whole crystals (10.1039/d4dd00202d).

The local level tells the environment an atom sees from false ones by the atom's representation
z_i, the global level the crystal's z_i from false ones by the crystal's representation Z. The
gradient is cut between them: the global level sees the z_i as constants.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from sitenet.model.infomax.false_samples import (
    changed,
    derangement,
    donor_pairs,
    donor_rows,
    seen,
    with_species,
)
from sitenet.model.infomax.scores import Level, Sample, score_loss
from sitenet.model.input_features import SiteFeatures
from sitenet.options.infomax import InfoMaxSettings
from sitenet.shards.batch import RaggedBatch
from sitenet.shards.pair_types import distance_codes, distinct, species_codes


class Encoder(Protocol):
    """What can be trained: constituents -> local vectors -> crystal vector. A SiteNet is one."""

    local_width: int
    crystal_width: int

    def sites(self, batch: RaggedBatch) -> Tensor:
        """Local representation (R, local_width) of each site class."""

    def crystal_vectors(
        self, sites: Tensor, site_weight: Tensor, crystal: Tensor, sizes: Tensor
    ) -> Tensor:
        """Crystal representation (B, crystal_width) from the local ones."""


@dataclass(frozen=True)
class Losses:
    """Losses of a batch, 0-d: score losses (2 ln 2 for a score of zero), KL terms, their sum."""

    local_score: Tensor
    local_kl: Tensor
    global_score: Tensor
    global_kl: Tensor
    total: Tensor


class DeepInfoMax(nn.Module):
    """Losses of an encoder on crystals without labels."""

    def __init__(self, encoder: Encoder, settings: InfoMaxSettings) -> None:
        super().__init__()
        self.encoder, self.settings = encoder, settings
        self.features = SiteFeatures(0, settings.site_feature_scaling)
        layers, variance = settings.upscaling_layers, settings.variance
        self.local_level = Level(encoder.local_width, self.features.outputs + 1, layers, variance)
        self.global_level = Level(encoder.crystal_width, encoder.local_width, layers, variance)

    def forward(self, batch: RaggedBatch, sites: RaggedBatch, generator: torch.Generator) -> Losses:
        """Losses of a batch; `sites` has the same crystals with a row per site.

        Noise and false samples are drawn from `generator`, on the batch's device.
        """
        local = self.encoder.sites(batch)
        local_score, local_kl = self._local(batch, local, generator)
        global_score, global_kl = self._global(batch, sites, local.detach(), generator)
        alpha, beta = self.settings.alpha, self.settings.beta
        total = alpha * (local_score + global_score) + beta * (local_kl + global_kl)
        return Losses(local_score, local_kl, global_score, global_kl, total)

    def _local(
        self, batch: RaggedBatch, local: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Score loss and KL of z_i against (species, distance) of what the atom sees.

        Noise and false samples are drawn once for a class and count for all its sites: the
        expectation is that of drawing them for each site.
        """
        upscaled, divergence = self.local_level.representations(local, generator)
        share = batch.site_weight / batch.sizes[batch.crystal]
        divergence = (divergence * share).sum() / len(batch.sizes)
        environments = self._environments(batch, share, generator)
        return score_loss(*environments, upscaled, batch.crystal), divergence

    def _environments(
        self, batch: RaggedBatch, share: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, list[Sample]]:
        """Upscaled constituents, and the true and false ones of every class.

        `share` (R,) is that of the class in its crystal.
        """
        kinds = self.settings.false_samples
        donors = derangement(len(batch.sizes), generator)
        rows = donor_rows(batch, donors, generator)
        matched = donor_pairs(batch, rows, generator)
        column, distance = batch.pair_column, batch.pair_distance
        choices = [(column, distance)]
        if "polymorph" in kinds:
            choices.append((column, distance[matched]))
        if "composition" in kinds:
            choices.append((column[matched], distance))
        upscaled, constituents = self._constituents(batch, choices)
        paired = torch.full_like(batch.sizes, len(donors) > 1, dtype=torch.bool)
        samples = []
        for constituent, (_, distances) in zip(constituents, choices, strict=True):
            weight = self._weights(batch, distances) * share[batch.pair_row]
            samples.append(Sample(constituent, batch.pair_row, weight, paired))
        if "other_crystal" in kinds:
            pair, of = seen(batch, rows)
            weight = self._weights(batch, distance)[pair] * share[of]
            samples.append(Sample(samples[0].constituent[pair], of, weight, paired))
        return upscaled, samples

    def _constituents(
        self, batch: RaggedBatch, choices: list[tuple[Tensor, Tensor]]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """u_c (m, C) of different (features of the class, distance), and its row for every pair.

        Those rows are (E,) for each of `choices`.
        """
        column, distance = (torch.cat(parts) for parts in zip(*choices, strict=True))
        species = species_codes(batch.numbers, batch.oxidation)
        codes, first = distinct(species[column] << 32 | distance_codes(distance))
        features = self.features(batch.numbers, batch.oxidation)
        inputs = torch.cat([features[column[first]], distance[first, None]], 1)
        return self.local_level.constituents(inputs), codes.split(len(batch.pair_column))

    def _weights(self, batch: RaggedBatch, distance: Tensor) -> Tensor:
        """Weight (E,) of each pair in its row, adding up to 1 over the row."""
        weight = batch.pair_count
        if self.settings.local_weighting == "inverse_square":
            weight = weight / (1 + distance).square()
        total = torch.zeros_like(batch.site_weight).index_add(0, batch.pair_row, weight)
        return weight / total[batch.pair_row]

    def _global(
        self, batch: RaggedBatch, sites: RaggedBatch, local: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Score loss and KL of Z against the local representations (R, local_width)."""
        crystals = self.encoder.crystal_vectors(
            local, batch.site_weight, batch.crystal, batch.sizes
        )
        upscaled, divergence = self.global_level.representations(crystals, generator)
        number = torch.arange(len(batch.sizes), device=local.device)
        constituents, samples = self._crystals(batch, sites, local, number, generator)
        return score_loss(constituents, samples, upscaled, number), divergence.mean()

    def _crystals(
        self,
        batch: RaggedBatch,
        sites: RaggedBatch,
        local: Tensor,
        number: Tensor,
        generator: torch.Generator,
    ) -> tuple[Tensor, list[Sample]]:
        """Upscaled local representations, and the true and false ones of every crystal."""
        kinds = self.settings.false_samples
        donors = derangement(len(number), generator)
        receivers = torch.argsort(donors)  # whose donor a crystal is
        paired = torch.full_like(number, len(number) > 1, dtype=torch.bool)
        tables = [local]
        weight = batch.site_weight / batch.sizes[batch.crystal]
        rows = torch.arange(len(local), device=local.device)
        samples = [Sample(rows, batch.crystal, weight, paired)]
        if "other_crystal" in kinds:
            samples.append(Sample(rows, receivers[batch.crystal], weight, paired))
        each = 1 / sites.sizes[sites.crystal]

        def encoded(crystals: RaggedBatch) -> Tensor:
            """Adds their local representations, without a gradient, and returns their rows."""
            first = sum(map(len, tables))
            with torch.no_grad():
                tables.append(self.encoder.sites(crystals))
            return torch.arange(first, first + len(crystals.numbers), device=local.device)

        if {"polymorph", "composition"} & set(kinds):
            # One false crystal serves twice: it has the structure of one crystal, for which it is
            # a false composition, and the species of its donor, for which it is a false polymorph.
            rows = encoded(with_species(sites, donors, generator))
            if "composition" in kinds:
                samples.append(Sample(rows, sites.crystal, each, paired))
            if "polymorph" in kinds:
                samples.append(Sample(rows, donors[sites.crystal], each, paired))
        if "permutation" in kinds:
            permuted = with_species(sites, number, generator)
            exists = changed(sites, permuted)
            samples.append(Sample(encoded(permuted), sites.crystal, each, exists))
        return self.global_level.constituents(torch.cat(tables)), samples
