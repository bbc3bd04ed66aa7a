"""What the dense reference and the engine share: parameters, pooling and prediction head."""

import torch
from torch import Tensor, nn

from sitenet.model.filtered_sum import FilteredSum, Neighbours
from sitenet.model.input_features import ELEMENTS, PAIR_FEATURES, SiteFeatures
from sitenet.model.layers import LMN, Nonnegative, Stack, segment_max, segment_mean, segment_softmax
from sitenet.options.model import ModelSettings
from sitenet.shards.batch import DenseBatch, RaggedBatch


class Block(nn.Module):
    """Networks of one attention block (section 2.3, 10.1039/d3dd00005b).

    `attention` (gW without its last layer) and `logits` give one logit per head, `values` (gA)
    features shared by all heads, `sites` (gS) the new sites, `interactions` (gI) the new pairs;
    the last block has no gI, since its new pairs are not used, and `local_size` new channels.
    """

    def __init__(self, settings: ModelSettings, last: bool) -> None:
        super().__init__()
        pair, like = settings.pair_width, (settings.norm, settings.local_activation)
        self.residual = settings.residual
        new_sites = settings.local_size if last else None
        self.attention = Stack(pair, settings.attention_layers, *like)
        self.logits = nn.Linear(self.attention.outputs, settings.heads)
        self.values = LMN(pair, settings.site_features_per_head, *like)
        self.filtered_sum = (
            FilteredSum(settings.site_width, settings.filtered_sum)
            if settings.filtered_sum
            else None
        )
        found = settings.site_width + settings.filtered_sum
        self.sites = LMN(found, new_sites or settings.site_width, *like)
        self.interactions = None if last else LMN(pair, settings.interaction_width, *like)

    def found_sites(
        self, mixed: Tensor, sites: Tensor, near: Neighbours | None, site_weight: Tensor | None
    ) -> Tensor:
        """What gS finds in the values that attention mixed (R, site_width), and near `sites`."""
        if self.filtered_sum is not None:
            assert near is not None
            mixed = torch.cat([mixed, self.filtered_sum(sites, near)], 1)
        return self.sites(mixed, site_weight)

    def following(self, found: Tensor, before: Tensor) -> Tensor:
        """Sites or interactions for the next block."""
        return before + found if self.residual else found


class SiteNetParameters(nn.Module):
    """Site-Net without its pairwise part, which the subclasses compute in two ways.

    Both subclasses have the same parameters under the same names. The network works in units of
    `label_scale` above `label_shift`, which training sets to the labels' spread and mean. With
    `composition_reference`, `element_reference` (200,) by atomic number is what each element adds
    to the label, in its unit, times its fraction. `local_width`, `crystal_width`: channels of a
    site's and a crystal's representation.
    """

    label_shift: Tensor
    label_scale: Tensor
    element_reference: Tensor

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.settings = settings
        norm, width = settings.norm, settings.site_width
        like = (norm, settings.local_activation)
        self.features = SiteFeatures(
            settings.embedding_size, settings.site_feature_scaling, settings.site_geometry
        )
        self.site_input = LMN(self.features.outputs, width, *like)
        inputs = len(PAIR_FEATURES[settings.interaction_features]) + settings.distance_basis
        self.interaction_input = LMN(inputs, settings.interaction_width, *like)
        self.blocks = nn.ModuleList(
            Block(settings, last=k == settings.blocks - 1) for k in range(settings.blocks)
        )
        self.local_width = settings.local_width
        self.pre_pool = Stack(self.local_width, settings.pre_pool_layers, norm)
        self.pool_logit = (
            nn.Linear(self.pre_pool.outputs, 1) if settings.pooling == "self_attention" else None
        )
        self.post_pool = Stack(self.pre_pool.outputs, settings.post_pool_layers, norm)
        self.crystal_width = self.post_pool.outputs
        self.head_layers = Stack(self.crystal_width, settings.head_layers, norm)
        self.decoder = nn.Linear(self.head_layers.outputs, 1)
        if settings.auxiliary:
            self.auxiliary_decoder = nn.Linear(self.crystal_width, settings.auxiliary)
        self.register_buffer("label_shift", torch.zeros(()))
        self.register_buffer("label_scale", torch.ones(()))
        if settings.composition_reference:
            self.register_buffer("element_reference", torch.zeros(ELEMENTS))

    def crystal_vectors(
        self, sites: Tensor, site_weight: Tensor, crystal: Tensor, sizes: Tensor
    ) -> Tensor:
        """Pool sites (R, local_width) to one vector per crystal (B, crystal_width)."""
        rows = self.pre_pool(sites, site_weight)
        match self.settings.pooling:
            case "mean":
                pooled = segment_mean(rows, site_weight, crystal, sizes)
            case "max":
                pooled = segment_max(rows, crystal, sizes.numel())
            case _:
                assert self.pool_logit is not None
                logits = self.pool_logit(rows) + torch.log(site_weight)[:, None]
                share = segment_softmax(logits, crystal, sizes.numel())
                pooled = segment_mean(rows, share[:, 0], crystal, torch.ones_like(sizes))
        return self.post_pool(pooled, torch.ones_like(sizes))

    def scale_labels(self, labels: Tensor) -> None:
        """Set the units of the network to the standard deviation and mean of `labels` (n,).

        The units do not change if all labels are equal.
        """
        spread = labels.double().std(correction=0)
        if spread > 0:
            self.label_shift.copy_(labels.double().mean())
            self.label_scale.copy_(spread)

    def head(self, vectors: Tensor, batch: RaggedBatch | DenseBatch) -> Tensor:
        """The label of each crystal (B,) from its vector (B, C), in the label's unit."""
        hidden = self.head_layers(vectors, torch.ones_like(vectors[:, 0]))
        with torch.autocast(hidden.device.type, enabled=False):  # which would round the label
            output = self.decoder(hidden.to(self.decoder.weight.dtype))[:, 0]
        raw = self.label_shift + self.label_scale * output
        if self.settings.composition_reference:
            of_site = self.element_reference[batch.numbers].to(raw.dtype)[:, None]
            raw = raw + segment_mean(of_site, batch.site_weight, batch.crystal, batch.sizes)[:, 0]
        return Nonnegative.apply(raw) if self.settings.output == "nonnegative" else raw
