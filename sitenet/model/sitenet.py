"""The engine: the same Site-Net over merged site classes and merged pairs, factorised.

Equal to `DenseSiteNet` on the unmerged crystal up to rounding: sites of one class have equal
features in every block, and merged pairs enter softmax and pooling with their counts.
"""

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from sitenet.model.base import Block, SiteNetParameters
from sitenet.model.input_features import pair_features
from sitenet.model.kernels import fast_path, use_compiled_norm
from sitenet.model.layers import LMN, segment_softmax
from sitenet.model.pair_block import Pairs, PairWeights, pair_block
from sitenet.model.pair_types import PairTypes, pair_types
from sitenet.options.model import ModelSettings
from sitenet.shards.batch import RaggedBatch


class SiteNet(SiteNetParameters):
    """Site-Net on merged pairs (E pairs of R site classes)."""

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__(settings)
        use_compiled_norm(self)

    def forward(self, batch: RaggedBatch) -> Tensor:
        """Labels (B,) in their unit."""
        return self.head(self.crystals(batch))

    def crystals(self, batch: RaggedBatch, attention: list[Tensor] | None = None) -> Tensor:
        """Crystal vectors (B, crystal_width); `attention` as in `sites`."""
        sites = self.sites(batch, attention)
        return self.crystal_vectors(sites, batch.site_weight, batch.crystal, batch.sizes)

    def sites(self, batch: RaggedBatch, attention: list[Tensor] | None = None) -> Tensor:
        """New sites of all blocks (R, local_width): the local representation of each site class.

        Each block's attention (E, H) is appended to `attention`. That of a merged pair is the sum
        over its atoms: divide by pair_count for one.
        """
        cutoff, kept = self.settings.cutoff, None
        if cutoff is not None and self.settings.norm != "batch":  # which counts all pairs
            batch, kept = batch.within(cutoff)
        sites = self.site_input(self.features(batch.numbers, batch.oxidation), batch.site_weight)
        pair_weight = batch.site_weight[batch.pair_row] * batch.pair_count
        types = self._types(batch)
        interactions = self._interactions(batch, types, pair_weight, sites.dtype)
        log_count = torch.log(batch.pair_count)
        if cutoff is not None and kept is None:
            log_count = log_count.masked_fill(batch.pair_distance > cutoff, -torch.inf)
        pairs = Pairs(batch.row_offsets, batch.pair_row, batch.pair_column, log_count)
        if types is not None:
            pairs = replace(pairs, source=types.source, first=types.first)
        layers = []
        for block in self.blocks:
            assert isinstance(block, Block)
            step = self._fused if self.fusable else self._general
            mixed, new_interactions, weights = step(block, sites, interactions, pairs, pair_weight)
            sites = block.sites(mixed, batch.site_weight)
            layers.append(sites)
            if new_interactions is not None:
                source = None if pairs.first is None else pairs.source  # new ones: one a type
                interactions, pairs = new_interactions, replace(pairs, source=source, first=None)
            if attention is not None:
                attention.append(weights if kept is None else _spread(weights, kept))
        return torch.cat(layers, 1)

    def _types(self, batch: RaggedBatch) -> PairTypes | None:
        """Pairs that the first block's networks are evaluated once for; None: each pair."""
        # On a GPU to find them would stop the launching of kernels until their number is known.
        on_cpu = batch.numbers.device.type == "cpu"
        return pair_types(batch) if self.fusable and on_cpu else None

    def _interactions(
        self, batch: RaggedBatch, types: PairTypes | None, weight: Tensor, dtype: torch.dtype
    ) -> Tensor:
        """First features of the pairs, or of the types."""
        row, column, distance = batch.pair_row, batch.pair_column, batch.pair_distance
        if types is not None:
            row, column, distance = (x[types.first] for x in (row, column, distance))
            weight = weight[types.first]
        z_i, z_j = batch.numbers[row], batch.numbers[column]
        inputs = pair_features(self.settings.interaction_features, z_i, z_j, distance)
        return self.interaction_input(inputs.to(dtype), weight)

    @property
    def fusable(self) -> bool:
        """Whether the pair networks have the shape the fused block computes."""
        settings = self.settings
        one_layer = len(settings.attention_layers) == 1
        return one_layer and settings.norm == "layer" and settings.local_activation == "mish"

    def _fused(
        self, block: Block, sites: Tensor, interactions: Tensor, pairs: Pairs, _: Tensor
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        networks = _networks(block)
        norms = [network.norm for network in networks if network.norm is not None]
        weight = torch.cat([network.linear.weight for network in networks])
        bias = torch.cat([network.linear.bias for network in networks])
        own, other, pair = weight.split([*[sites.shape[1]] * 2, interactions.shape[1]], 1)
        weights = PairWeights(
            weight=pair,
            norm_weight=torch.cat([norm.weight for norm in norms]),
            norm_bias=torch.cat([norm.bias for norm in norms]),
            logit_weight=block.logits.weight,
            logit_bias=block.logits.bias,
            widths=_widths(networks),
        )
        compute = fast_path(sites.device) or pair_block
        return compute(
            F.linear(sites, own, bias), F.linear(sites, other), interactions, weights, pairs
        )

    def _general(
        self, block: Block, sites: Tensor, interactions: Tensor, pairs: Pairs, weight: Tensor
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        """Any norm and depth: the linear layers on B_ij are factorised, the rest is plain."""

        def first(network: LMN) -> Tensor:
            own, other, pair = network.linear.weight.split(
                [*[sites.shape[1]] * 2, interactions.shape[1]], 1
            )
            site_part = F.linear(sites, own, network.linear.bias)[pairs.row]
            linear = F.linear(interactions, pair) + site_part + F.linear(sites, other)[pairs.column]
            return network.normalise(network.activation(linear), weight)

        layers = [layer for layer in block.attention if isinstance(layer, LMN)]
        if layers:
            hidden = first(layers[0])
            for layer in layers[1:]:
                hidden = layer(hidden, weight)
        else:
            hidden = torch.cat([sites[pairs.row], sites[pairs.column], interactions], 1)
        logits = block.logits(hidden) + pairs.log_count[:, None]
        attention = segment_softmax(logits, pairs.row, sites.shape[0])
        weighted = (first(block.values)[:, :, None] * attention[:, None, :]).flatten(1)
        mixed = weighted.new_zeros(sites.shape[0], weighted.shape[1])
        mixed = mixed.index_add(0, pairs.row, weighted)
        return mixed, None if block.interactions is None else first(block.interactions), attention


def _spread(weights: Tensor, kept: Tensor) -> Tensor:
    """Attention of the pairs that were kept (E,) bool as that of all pairs: (E, H)."""
    return weights.new_zeros(len(kept), weights.shape[1]).index_put((kept,), weights)


def _networks(block: Block) -> list[LMN]:
    networks = [block.attention[0], block.values, block.interactions]
    return [network for network in networks if isinstance(network, LMN)]


def _widths(networks: list[LMN]) -> tuple[int, int, int]:
    widths = [network.linear.out_features for network in networks]
    return (*widths, 0) if len(widths) == 2 else tuple(widths)  # type: ignore[return-value]
