"""The pairwise part of one attention block, over merged pairs, in plain PyTorch.

A linear layer on B_ij = [S_i, S_j, I_ij] is W_i S_i + W_j S_j + W_I I_ij, so the site parts are
projected once per site (`project_i`, `project_j`) and only I_ij is multiplied per pair. The
projections of the three networks gW, gA and gI (section 2.3 of doi 10.1039/d3dd00005b) stand side
by side in the channels. A merged pair of `count` atoms enters the softmax with logit + ln(count),
which is exact: equal logits and values sum to count times one of them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from sitenet.model.evaluations import Evaluations, PairIndex
from sitenet.model.layers import segment_softmax

CHUNK = 4096  # evaluations, or pairs


@dataclass(frozen=True)
class PairWeights:
    """Weights of the pair networks of one block, side by side: C = hidden + value + interaction.

    `weight` (C, K) acts on I_ij; `norm_weight`, `norm_bias` (C,) belong to the three layer norms;
    `logit_weight` (H, hidden), `logit_bias` (H,). `widths` = (hidden, value, interaction);
    interaction is 0 in the last block, which needs no new interactions.
    """

    weight: Tensor
    norm_weight: Tensor
    norm_bias: Tensor
    logit_weight: Tensor
    logit_bias: Tensor
    widths: tuple[int, int, int]


def pair_block(
    project_i: Tensor,
    project_j: Tensor,
    interactions: Tensor,
    weights: PairWeights,
    pairs: PairIndex,
    evaluations: Evaluations,
) -> tuple[Tensor, Tensor | None, Tensor]:
    """Attention over the pairs of each row.

    project_i, project_j (R, C): site parts of the pre-activations, biases included in the first.
    interactions (M, K), or another number of rows with `evaluations.source`. Returns the mixed
    values X (R, value * H) with index H * e + h, the new interactions (M, interaction) or None,
    and the attention (E, H) summed over merged atoms.

    Works through a few thousand pairs at a time, which stay in the cache, and computes them again
    in the backward pass instead of storing the [E, C] tensors.
    """
    row, column = evaluations.row, evaluations.column
    if evaluations.source is not None:
        interactions = interactions.index_select(0, evaluations.source)
    logits, values, new = _in_chunks(
        _networks,
        _chunks(len(row)),
        lambda part: (project_i, project_j, interactions[part], weights, row[part], column[part]),
    )
    if evaluations.of_pair is not None:
        logits = logits.index_select(0, evaluations.of_pair)
        values = values.index_select(0, evaluations.of_pair)

    def of_rows(rows: slice) -> tuple[Tensor, Tensor, Tensor, int]:
        ends = pairs.row_offsets[[rows.start, rows.stop]].tolist()
        part = slice(*ends)
        counted = logits[part] + pairs.log_count[part, None]
        return counted, values[part], pairs.row[part] - rows.start, rows.stop - rows.start

    mixed, attention = _in_chunks(_mix, _row_chunks(pairs.row_offsets), of_rows)
    return mixed, new if weights.widths[2] else None, attention


def _in_chunks(
    function: Callable[..., tuple[Tensor, ...]],
    parts: list[slice],
    arguments: Callable[[slice], tuple],
) -> tuple[Tensor, ...]:
    """Concatenated results, whose intermediate values are computed again in the backward pass."""

    def compute(part: slice) -> tuple[Tensor, ...]:
        given = arguments(part)
        if torch.is_grad_enabled():
            return checkpoint(function, *given, use_reentrant=False, preserve_rng_state=False)
        return function(*given)  # `checkpoint` would import torch._dynamo, which takes seconds

    chunks = map(compute, parts)
    return tuple(torch.cat(results) for results in zip(*chunks, strict=True))


def _chunks(count: int) -> list[slice]:
    """Ranges of `CHUNK`; at least one, which is empty for a count of zero."""
    return [slice(start, min(start + CHUNK, count)) for start in range(0, max(count, 1), CHUNK)]


def _row_chunks(row_offsets: Tensor) -> list[slice]:
    """Ranges of rows with about `CHUNK` pairs each; at least one range."""
    ends = row_offsets.tolist()
    chunks, first = [], 0
    for row in range(1, len(ends)):
        if ends[row] - ends[first] >= CHUNK or row == len(ends) - 1:
            chunks.append(slice(first, row))
            first = row
    return chunks or [slice(0, 0)]


def _networks(
    project_i: Tensor,
    project_j: Tensor,
    interactions: Tensor,
    weights: PairWeights,
    row: Tensor,
    column: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Logits without counts (n, H), values (n, value), new interactions (n, interaction)."""
    activated = F.mish(
        F.linear(interactions, weights.weight)
        + project_i.index_select(0, row)
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
    return F.linear(hidden, weights.logit_weight, weights.logit_bias), value, new


def _mix(logits: Tensor, value: Tensor, row: Tensor, rows: int) -> tuple[Tensor, Tensor]:
    """Mixed values (rows, value * H) and attention (n, H); row (n,) from 0."""
    attention = segment_softmax(logits, row, rows)
    weighted = (value[:, :, None] * attention[:, None, :]).flatten(1)
    mixed = weighted.new_zeros(rows, weighted.shape[1]).index_add(0, row, weighted)
    return mixed, attention
