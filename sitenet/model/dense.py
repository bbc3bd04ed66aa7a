"""The dense reference: Site-Net formula for formula, over every pair of site and supercell atom.

The oracle of all tests and the baseline of all benchmarks; section 2.3 of 10.1039/d3dd00005b.
"""

import torch
from torch import Tensor

from sitenet.model.base import Block, SiteNetParameters
from sitenet.model.filtered_sum import Neighbours, neighbours
from sitenet.model.input_features import pair_inputs
from sitenet.shards.batch import DenseBatch


class DenseSiteNet(SiteNetParameters):
    """Site-Net on padded pairs (R unique sites x A atoms)."""

    def forward(self, batch: DenseBatch) -> Tensor:
        """Labels (B,) in their unit."""
        return self.head(self.crystals(batch), batch)

    def crystals(self, batch: DenseBatch, trace: dict[str, Tensor] | None = None) -> Tensor:
        """Crystal vectors (B, crystal_width); `trace` as in `sites`."""
        everyone = torch.ones_like(batch.oxidation)
        return self.crystal_vectors(self.sites(batch, trace), everyone, batch.crystal, batch.sizes)

    def sites(self, batch: DenseBatch, trace: dict[str, Tensor] | None = None) -> Tensor:
        """New sites of all blocks (R, local_width).

        Intermediate tensors are put into `trace` under their names.
        """
        everyone = torch.ones_like(batch.oxidation)
        kept = ~batch.padding
        known = self.features(batch.numbers, batch.oxidation, batch.geometry)
        sites = self.site_input(known, everyone)
        z_j = batch.numbers[batch.column]
        z_i = batch.numbers[:, None].expand_as(z_j)
        inputs = pair_inputs(self.settings, z_i, z_j, batch.distance)
        near = self._neighbours(batch) if self.settings.filtered_sum else None
        interactions = self._on_pairs(self.interaction_input, inputs, kept)
        if trace is not None:
            trace |= {"site_input": sites, "interaction_input": interactions}
        layers = []
        for k, block in enumerate(self.blocks):
            assert isinstance(block, Block)
            results = self._block(block, sites, interactions, batch, near)
            sites, interactions, logits, attention = results
            layers.append(sites)
            if trace is not None:
                trace |= {f"site{k}": sites, f"logits{k}": logits, f"attention{k}": attention}
                trace[f"interaction{k}"] = interactions
        return torch.cat(layers, 1)

    def _block(
        self,
        block: Block,
        sites: Tensor,
        interactions: Tensor,
        batch: DenseBatch,
        near: Neighbours | None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        kept = ~batch.padding
        atoms = batch.column.shape[1]
        own = sites[:, None, :].expand(-1, atoms, -1)
        pairs = torch.cat([own, sites[batch.column], interactions], -1)  # B_ij (R, A, 228)
        logits = block.logits(self._on_pairs(block.attention, pairs, kept))  # (R, A, H)
        masked = batch.padding
        if self.settings.cutoff is not None:
            masked = masked | (batch.distance > self.settings.cutoff)
        attention = logits.masked_fill(masked[:, :, None], -torch.inf).softmax(1)
        values = self._on_pairs(block.values, pairs, kept)  # (R, A, e)
        mixed = torch.einsum("ijh,ije->ieh", attention, values).flatten(1)
        found = block.found_sites(mixed, sites, near, torch.ones_like(batch.oxidation))
        if block.interactions is not None:
            new = self._on_pairs(block.interactions, pairs, kept)
            interactions = block.following(new, interactions)
        return block.following(found, sites), interactions, logits, attention

    def _neighbours(self, batch: DenseBatch) -> Neighbours:
        """Every pair by itself."""
        row, atom = (~batch.padding).nonzero().unbind(1)
        distance = batch.distance[row, atom]
        one, own = torch.ones_like(distance), torch.arange(len(row), device=row.device)
        column = batch.column[row, atom]
        return neighbours(row, column, one, own, distance, self.settings.sum_radius)

    @staticmethod
    def _on_pairs(network: torch.nn.Module, pairs: Tensor, kept: Tensor) -> Tensor:
        """Apply `network` to (R, A, C); padded pairs have no weight in batch norms."""
        flat = network(pairs.flatten(0, 1), kept.flatten().to(pairs.dtype))
        return flat.unflatten(0, kept.shape)
