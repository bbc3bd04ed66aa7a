"""The engine: the same Site-Net over merged site classes and merged pairs, factorised.

Equal to `DenseSiteNet` on the unmerged crystal up to rounding: sites of one class have equal
features in every block, and merged pairs enter softmax and pooling with their counts. The networks
of the first block are evaluated once for each pair type (`sitenet.shards.pair_types`), and so are
the interactions that it reads and gives.
"""

from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from sitenet.model.base import Block, SiteNetParameters
from sitenet.model.evaluations import Evaluations, PairIndex
from sitenet.model.filtered_sum import Neighbours, neighbours
from sitenet.model.flat import FlatParameters
from sitenet.model.input_features import pair_inputs
from sitenet.model.kernels import fast_path, in_one_call, linear, use_compiled_layers
from sitenet.model.kernels.attention import attention_block
from sitenet.model.kernels.dense import LARGEST
from sitenet.model.kernels.inputs import first_features
from sitenet.model.kernels.network import JoinedNetwork
from sitenet.model.kernels.pair_block_cpu import pair_block as compiled_block
from sitenet.model.kernels.pooled_layers import pooled_layers
from sitenet.model.layers import LMN, segment_softmax
from sitenet.model.pair_block import PairWeights, pair_block
from sitenet.options.model import ModelSettings
from sitenet.shards.batch import RaggedBatch


class SiteNet(SiteNetParameters):
    """Site-Net on merged pairs (E pairs of R site classes)."""

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__(settings)
        use_compiled_layers(self)
        self._joined: JoinedNetwork | None = None

    def join(self, flat: FlatParameters | None) -> None:
        """From now on give crystal vectors a gradient in `flat.values`, where that is compiled.

        None: in each parameter again.
        """
        s = self.settings
        added = s.site_geometry or s.distance_basis or s.filtered_sum or s.residual
        fits = self._layers_fit and s.pooling == "mean" and s.cutoff is None and not added
        self._joined = JoinedNetwork(self, flat) if flat is not None and fits else None

    def forward(self, batch: RaggedBatch) -> Tensor:
        """Labels (B,) in their unit."""
        return self.head(self.crystals(batch), batch)

    def crystals(self, batch: RaggedBatch, attention: list[Tensor] | None = None) -> Tensor:
        """Crystal vectors (B, crystal_width); `attention` as in `sites`."""
        if self._joined is not None and attention is None and torch.is_grad_enabled():
            distance = batch.pair_distance
            if self._in_one_call(distance) and not distance.requires_grad:
                return self._joined(batch)
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
        log_count = torch.log(batch.pair_count)
        if cutoff is not None and kept is None:
            log_count = log_count.masked_fill(batch.pair_distance > cutoff, -torch.inf)
        pairs = PairIndex(batch.row_offsets, batch.pair_row, batch.pair_column, log_count)
        evaluations = Evaluations.of_types(pairs, batch.pair_type, batch.type_first)
        sites, interactions = self._first(batch, evaluations)
        near = self._neighbours(batch) if self.settings.filtered_sum else None
        layers = []
        for block in self.blocks:
            assert isinstance(block, Block)
            if self.fusable:
                fused = self._fused(block, sites, interactions, pairs, evaluations, near)
                found, new_interactions, weights = fused
            else:
                weight = self._entry_weight(batch, evaluations)
                mixed, new_interactions, weights = self._general(
                    block, sites, interactions, pairs, evaluations, weight
                )
                found = block.found_sites(mixed, sites, near, batch.site_weight)
            sites = block.following(found, sites)
            layers.append(sites)
            if new_interactions is not None:
                if block.residual:
                    new_interactions = new_interactions + _chosen(interactions, evaluations.source)
                interactions, evaluations = new_interactions, evaluations.following(pairs)
            if attention is not None:
                attention.append(weights if kept is None else _spread(weights, kept))
        return torch.cat(layers, 1)

    def _entry_weight(self, batch: RaggedBatch, evaluations: Evaluations) -> Tensor | None:
        """Pairs of sites and atoms (M,) that each evaluation stands for, which batch norm needs."""
        if self.settings.norm != "batch":
            return None
        weight = batch.site_weight[batch.pair_row] * batch.pair_count
        if evaluations.of_pair is None:
            return weight
        return weight.new_zeros(len(evaluations.row)).index_add(0, evaluations.of_pair, weight)

    def _first(self, batch: RaggedBatch, evaluations: Evaluations) -> tuple[Tensor, Tensor]:
        """First sites (R, S), and interactions (T, K) of the pair types."""
        kind, layers = self.settings.interaction_features, (self.site_input, self.interaction_input)
        of_types = evaluations.row, evaluations.column, batch.type_first
        published = not self.settings.site_geometry and not self.settings.distance_basis
        compiled = published and self._in_one_call(batch.pair_distance)
        if compiled and not batch.pair_distance.requires_grad:
            site = batch.numbers, batch.oxidation
            return first_features(self.features, kind, layers, site, of_types, batch.pair_distance)
        known = self.features(batch.numbers, batch.oxidation, batch.geometry)
        sites = self.site_input(known, batch.site_weight)
        z_i, z_j = (batch.numbers.index_select(0, site) for site in of_types[:2])
        distance = batch.pair_distance.index_select(0, batch.type_first)
        inputs = pair_inputs(self.settings, z_i, z_j, distance).to(sites.dtype)
        return sites, self.interaction_input(inputs, self._entry_weight(batch, evaluations))

    def crystal_vectors(
        self, sites: Tensor, site_weight: Tensor, crystal: Tensor, sizes: Tensor
    ) -> Tensor:
        """As for all models, in one call where that is compiled."""
        if self.settings.pooling == "mean" and self._in_one_call(sites):
            before, after = self.pre_pool.layers, self.post_pool.layers
            return pooled_layers(sites, before, after, site_weight, crystal, sizes)
        return super().crystal_vectors(sites, site_weight, crystal, sizes)

    def _in_one_call(self, like: Tensor) -> bool:
        """Whether compiled functions compute several layers at once, for tensors `like` this."""
        return self._layers_fit and in_one_call(like, self.decoder.weight)

    @cached_property
    def _layers_fit(self) -> bool:
        layers = [layer for layer in self.modules() if isinstance(layer, LMN)]
        return self.fusable and all(layer.linear.weight.numel() <= LARGEST for layer in layers)

    def _neighbours(self, batch: RaggedBatch) -> Neighbours:
        distance = batch.pair_distance.index_select(0, batch.type_first)
        pairs = batch.pair_row, batch.pair_column, batch.pair_count, batch.pair_type
        return neighbours(*pairs, distance, self.settings.sum_radius)

    @property
    def fusable(self) -> bool:
        """Whether the pair networks have the shape the fused block computes."""
        settings = self.settings
        one_layer = len(settings.attention_layers) == 1
        return one_layer and settings.norm == "layer" and settings.local_activation == "mish"

    def _fused(
        self,
        block: Block,
        sites: Tensor,
        interactions: Tensor,
        pairs: PairIndex,
        evaluations: Evaluations,
        near: Neighbours | None,
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        """What gS finds, new interactions, attention; in the kernel for the device if any."""
        compute = fast_path(sites.device) or pair_block
        if compute is compiled_block and near is None and self._in_one_call(sites):
            return attention_block(block, sites, interactions, pairs, evaluations)
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
        site_parts = linear(sites, own, bias), linear(sites, other)
        mixed, *rest = compute(*site_parts, interactions, weights, pairs, evaluations)
        return block.found_sites(mixed, sites, near, None), *rest

    def _general(
        self,
        block: Block,
        sites: Tensor,
        interactions: Tensor,
        pairs: PairIndex,
        evaluations: Evaluations,
        weight: Tensor | None,
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        """Any norm and depth: the linear layers on B_ij are factorised, the rest is plain."""
        row, column = evaluations.row, evaluations.column
        interactions = _chosen(interactions, evaluations.source)

        def first(network: LMN) -> Tensor:
            own, other, pair = network.linear.weight.split(
                [*[sites.shape[1]] * 2, interactions.shape[1]], 1
            )
            site_part = F.linear(sites, own, network.linear.bias).index_select(0, row)
            other_part = F.linear(sites, other).index_select(0, column)
            linear = F.linear(interactions, pair) + site_part + other_part
            return network.normalise(network.activation(linear), weight)

        layers = [layer for layer in block.attention if isinstance(layer, LMN)]
        if layers:
            hidden = first(layers[0])
            for layer in layers[1:]:
                hidden = layer(hidden, weight)
        else:
            hidden = torch.cat([sites[row], sites[column], interactions], 1)
        logits = _chosen(block.logits(hidden), evaluations.of_pair) + pairs.log_count[:, None]
        attention = segment_softmax(logits, pairs.row, sites.shape[0])
        values = _chosen(first(block.values), evaluations.of_pair)
        weighted = (values[:, :, None] * attention[:, None, :]).flatten(1)
        mixed = weighted.new_zeros(sites.shape[0], weighted.shape[1])
        mixed = mixed.index_add(0, pairs.row, weighted)
        return mixed, None if block.interactions is None else first(block.interactions), attention


def _chosen(rows: Tensor, index: Tensor | None) -> Tensor:
    """rows[index]; without an index all rows."""
    return rows if index is None else rows.index_select(0, index)


def _spread(weights: Tensor, kept: Tensor) -> Tensor:
    """Attention of the pairs that were kept (E,) bool as that of all pairs: (E, H)."""
    return weights.new_zeros(len(kept), weights.shape[1]).index_put((kept,), weights)


def _networks(block: Block) -> list[LMN]:
    networks = [block.attention[0], block.values, block.interactions]
    return [network for network in networks if isinstance(network, LMN)]


def _widths(networks: list[LMN]) -> tuple[int, int, int]:
    widths = [network.linear.out_features for network in networks]
    return (*widths, 0) if len(widths) == 2 else tuple(widths)  # type: ignore[return-value]
