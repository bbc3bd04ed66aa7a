"""The pairwise part of one attention block, over merged pairs, in plain PyTorch.

A linear layer on B_ij = [S_i, S_j, I_ij] is W_i S_i + W_j S_j + W_I I_ij, so the site parts are
projected once per site (`project_i`, `project_j`) and only I_ij is multiplied per pair. The
projections of the three networks gW, gA and gI (section 2.3 of doi 10.1039/d3dd00005b) stand side
by side in the channels. A merged pair of `count` atoms enters the softmax with logit + ln(count),
which is exact: equal logits and values sum to count times one of them.
"""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from sitenet.model.layers import segment_softmax


@dataclass(frozen=True)
class PairWeights:
    """Weights of the pair networks of one block, side by side: C = hidden + value + interaction.

    `weight` (C, K) acts on I_ij; `norm_weight`, `norm_bias` (C,) belong to the three layer norms;
    `logit_weight` (H, hidden), `logit_bias` (H,). `widths` = (hidden, value, interaction);
    interaction is 0 in the last block, whose new interactions nobody reads.
    """

    weight: Tensor
    norm_weight: Tensor
    norm_bias: Tensor
    logit_weight: Tensor
    logit_bias: Tensor
    widths: tuple[int, int, int]


@dataclass(frozen=True)
class Pairs:
    """Merged pairs of a batch, grouped by row.

    `row_offsets` (R + 1,) int64, `row` (E,) int64, `column` (E,) int64 (site-class rows of the
    batch), `log_count` (E,) ln of the number of atoms merged, -inf where a cutoff masks them.
    """

    row_offsets: Tensor
    row: Tensor
    column: Tensor
    log_count: Tensor


def pair_block(
    project_i: Tensor, project_j: Tensor, interactions: Tensor, weights: PairWeights, pairs: Pairs
) -> tuple[Tensor, Tensor | None, Tensor]:
    """Attention over the pairs of each row.

    project_i, project_j (R, C): site parts of the pre-activations, biases included in the first.
    interactions (E, K). Returns the mixed values X (R, value * H) with index H * e + h, the new
    interactions (E, interaction) or None, and the attention (E, H) summed over merged atoms.
    """
    activated = F.mish(
        F.linear(interactions, weights.weight) + project_i[pairs.row] + project_j[pairs.column]
    )
    parts = [
        F.layer_norm(part, (part.shape[1],), scale, shift)
        for part, scale, shift in zip(
            activated.split(weights.widths, 1),
            weights.norm_weight.split(weights.widths),
            weights.norm_bias.split(weights.widths),
            strict=True,
        )
        if part.shape[1]
    ]
    logits = F.linear(parts[0], weights.logit_weight, weights.logit_bias)
    rows = pairs.row_offsets.numel() - 1
    attention = segment_softmax(logits + pairs.log_count[:, None], pairs.row, rows)
    weighted = (parts[1][:, :, None] * attention[:, None, :]).flatten(1)
    mixed = weighted.new_zeros(rows, weighted.shape[1]).index_add(0, pairs.row, weighted)
    return mixed, parts[2] if weights.widths[2] else None, attention
