"""The pairwise part of one attention block, over merged pairs, in plain PyTorch.

A linear layer on B_ij = [S_i, S_j, I_ij] is W_i S_i + W_j S_j + W_I I_ij, so the site parts are
projected once per site (`project_i`, `project_j`) and only I_ij is multiplied per pair. The
projections of the three networks gW, gA and gI (section 2.3 of doi 10.1039/d3dd00005b) stand side
by side in the channels. A merged pair of `count` atoms enters the softmax with logit + ln(count),
which is exact: equal logits and values sum to count times one of them.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from sitenet.model.layers import segment_softmax

CHUNK = 4096  # pairs


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
    `source` (E,) int64: the row of the interactions that each pair has, where equal ones are kept
    once; None: each its own.
    """

    row_offsets: Tensor
    row: Tensor
    column: Tensor
    log_count: Tensor
    source: Tensor | None = None


def pair_block(
    project_i: Tensor, project_j: Tensor, interactions: Tensor, weights: PairWeights, pairs: Pairs
) -> tuple[Tensor, Tensor | None, Tensor]:
    """Attention over the pairs of each row.

    project_i, project_j (R, C): site parts of the pre-activations, biases included in the first.
    interactions (E, K), or fewer with `pairs.source`. Returns the mixed values X (R, value * H)
    with index H * e + h, the new interactions (E, interaction) or None, and the attention (E, H)
    summed over merged atoms.

    Works through a few thousand pairs at a time, which stay in the cache, and computes them again
    in the backward pass instead of storing the [E, C] tensors.
    """
    if pairs.source is not None:
        interactions = interactions.index_select(0, pairs.source)
    chunks = []
    for first, last in _row_chunks(pairs.row_offsets):
        start, stop = int(pairs.row_offsets[first]), int(pairs.row_offsets[last])
        chunks.append(
            checkpoint(
                _pair_rows,
                project_i[first:last],
                project_j,
                interactions[start:stop],
                weights,
                pairs.row[start:stop] - first,
                pairs.column[start:stop],
                pairs.log_count[start:stop],
                use_reentrant=False,
                preserve_rng_state=False,
            )
        )
    mixed, new, attention = (torch.cat(parts) for parts in zip(*chunks, strict=True))
    return mixed, new if weights.widths[2] else None, attention


def _row_chunks(row_offsets: Tensor) -> list[tuple[int, int]]:
    """Ranges of rows with about `CHUNK` pairs each; at least one range, so that none is fine."""
    ends = row_offsets.tolist()
    chunks, first = [], 0
    for row in range(1, len(ends)):
        if ends[row] - ends[first] >= CHUNK or row == len(ends) - 1:
            chunks.append((first, row))
            first = row
    return chunks or [(0, 0)]


def _pair_rows(
    own: Tensor,
    project_j: Tensor,
    interactions: Tensor,
    weights: PairWeights,
    row: Tensor,
    column: Tensor,
    log_count: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """`pair_block` of some rows: own (rows, C), row (pairs,) counted from the first of them."""
    activated = F.mish(
        F.linear(interactions, weights.weight)
        + own.index_select(0, row)
        + project_j.index_select(0, column)
    )
    hidden, value, new = (
        F.layer_norm(part, (part.shape[1],), scale, shift) if part.shape[1] else part
        for part, scale, shift in zip(
            activated.split(weights.widths, 1),
            weights.norm_weight.split(weights.widths),
            weights.norm_bias.split(weights.widths),
            strict=True,
        )
    )
    logits = F.linear(hidden, weights.logit_weight, weights.logit_bias)
    attention = segment_softmax(logits + log_count[:, None], row, own.shape[0])
    weighted = (value[:, :, None] * attention[:, None, :]).flatten(1)
    mixed = weighted.new_zeros(own.shape[0], weighted.shape[1]).index_add(0, row, weighted)
    return mixed, new, attention
