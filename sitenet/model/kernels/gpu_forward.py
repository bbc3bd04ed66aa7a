"""The forward pass of the pair block in Triton.

One kernel over tiles of pairs, whatever rows they belong to, so that short rows waste nothing: new
interactions, logits and values of each pair. Then one over rows and heads: softmax and mixing.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from sitenet.model.kernels.gpu_tiles import (
    block,
    mish,
    normalise,
    parameter,
    preactivation,
    sum_type,
    tile_options,
)

ROW_TILE = 32  # pairs of a row taken at once


def forward(
    real: list[Tensor], whole: list[Tensor], log_count: Tensor, widths: list[int]
) -> tuple[Tensor, Tensor, Tensor]:
    """Mixed values (R, value * H), new interactions (E, interaction), attention (E, H).

    real: own, other (R, C), interactions (E, K), weight, norm weight and bias, logit weight;
    whole: row_offsets (R + 1,), row and column (E,) int64. All contiguous.
    """
    inputs, logit_weight = real[2], real[6]
    offsets, row, column = whole
    rows, pairs, heads = offsets.numel() - 1, inputs.shape[0], logit_weight.shape[0]
    total = sum_type(inputs.dtype)
    fresh = inputs.new_empty(pairs, widths[2])
    logits = inputs.new_empty(pairs, heads, dtype=total)
    attention = torch.empty_like(logits)
    values = inputs.new_empty(pairs, widths[1], dtype=total)
    mixed = inputs.new_empty(rows, widths[1] * heads, dtype=total)
    options = tile_options(inputs, widths)
    if pairs:
        grid = (triton.cdiv(pairs, options["TILE"]),)
        _pairs[grid](
            *real, row, column, log_count, logits, values, fresh, pairs, HEADS=heads, **options
        )
    if rows:
        _rows[(rows, heads)](
            offsets, logits, values, mixed, attention,
            VALUE=widths[1], HEADS=heads, BLOCK=block(widths[1]), TILE=ROW_TILE,
            SUM=options["SUM"], num_warps=1,
        )  # fmt: skip
    return mixed, fresh, attention


@triton.jit
def _pairs(
    own, other, inputs, weight, scale, shift, logit_weight, rows, columns, log_count,
    logits, values, fresh, pairs,
    INPUTS: tl.constexpr, HIDDEN: tl.constexpr, VALUE: tl.constexpr, FRESH: tl.constexpr,
    HIDDEN_BLOCK: tl.constexpr, VALUE_BLOCK: tl.constexpr, FRESH_BLOCK: tl.constexpr,
    HEADS: tl.constexpr, TILE: tl.constexpr, SUM: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Logits with ln(count) (E, HEADS), values (E, VALUE), new interactions (E, FRESH)."""
    CHANNELS: tl.constexpr = HIDDEN + VALUE + FRESH
    pair = tl.program_id(0).to(tl.int64) * TILE + tl.arange(0, TILE)
    live = pair < pairs
    row = tl.load(rows + pair, mask=live, other=0)
    column = tl.load(columns + pair, mask=live, other=0)
    z = preactivation(own, other, inputs, weight, row, column, pair, live,
                      0, HIDDEN, HIDDEN_BLOCK, CHANNELS, INPUTS, SUM, PRECISION)  # fmt: skip
    hidden, _ = normalise(mish(z)[0], HIDDEN, HIDDEN_BLOCK)
    # Shift and bias add the same to every logit of a head, which the softmax cancels.
    gamma = parameter(scale, 0, HIDDEN, HIDDEN_BLOCK, SUM)
    count = tl.load(log_count + pair, mask=live, other=0).to(SUM)
    for head in tl.static_range(HEADS):
        direction = gamma * parameter(logit_weight, head * HIDDEN, HIDDEN, HIDDEN_BLOCK, SUM)
        logit = tl.sum(hidden * direction[None, :], 1) + count
        tl.store(logits + pair * HEADS + head, logit, mask=live)
    z = preactivation(own, other, inputs, weight, row, column, pair, live,
                      HIDDEN, VALUE, VALUE_BLOCK, CHANNELS, INPUTS, SUM, PRECISION)  # fmt: skip
    value, _ = normalise(mish(z)[0], VALUE, VALUE_BLOCK)
    _store(values, value, scale, shift, pair, live, HIDDEN, VALUE, VALUE_BLOCK, SUM)
    if FRESH:
        z = preactivation(own, other, inputs, weight, row, column, pair, live,
                          HIDDEN + VALUE, FRESH, FRESH_BLOCK, CHANNELS, INPUTS, SUM,
                          PRECISION)  # fmt: skip
        new, _ = normalise(mish(z)[0], FRESH, FRESH_BLOCK)
        _store(fresh, new, scale, shift, pair, live, HIDDEN + VALUE, FRESH, FRESH_BLOCK, SUM)


@triton.jit
def _store(
    to, normal, scale, shift, pair, live,
    FIRST: tl.constexpr, WIDTH: tl.constexpr, BLOCK: tl.constexpr, SUM: tl.constexpr,
):  # fmt: skip
    """Scales, shifts and stores normalised activations."""
    gamma = parameter(scale, FIRST, WIDTH, BLOCK, SUM)
    beta = parameter(shift, FIRST, WIDTH, BLOCK, SUM)
    channel = tl.arange(0, BLOCK)
    tl.store(
        to + pair[:, None] * WIDTH + channel[None, :],
        normal * gamma[None, :] + beta[None, :],
        mask=live[:, None] & (channel < WIDTH)[None, :],
    )


@triton.jit
def _rows(
    offsets, logits, values, mixed, attention,
    VALUE: tl.constexpr, HEADS: tl.constexpr, BLOCK: tl.constexpr, TILE: tl.constexpr,
    SUM: tl.constexpr,
):  # fmt: skip
    """Online softmax of one row and head: mixed values, then the attention of each pair.

    A row with nothing but masked pairs gives NaN (0 / 0), a row without pairs 0.
    """
    row, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    begin, end = tl.load(offsets + row), tl.load(offsets + row + 1)
    channel = tl.arange(0, BLOCK)
    inside = channel < VALUE
    top = tl.full((), -float("inf"), SUM)
    total = tl.zeros((), SUM)
    mix = tl.zeros((BLOCK,), SUM)
    for start in range(begin, end, TILE):
        pair = start + tl.arange(0, TILE)
        live = pair < end
        logit = tl.load(logits + pair * HEADS + head, mask=live, other=-float("inf"))
        higher = tl.maximum(top, tl.max(logit, 0))
        base = tl.where(higher == -float("inf"), 0, higher)
        weight = tl.exp(logit - base)
        shrink = tl.exp(top - base)
        value = tl.load(
            values + pair[:, None] * VALUE + channel[None, :],
            mask=live[:, None] & inside[None, :], other=0,
        )  # fmt: skip
        total = total * shrink + tl.sum(weight, 0)
        mix = mix * shrink + tl.sum(weight[:, None] * value, 0)
        top = higher
    base = tl.where(top == -float("inf"), 0, top)
    inverse = 1 / tl.where(begin == end, 1, total)
    tl.store(mixed + (row * VALUE + channel) * HEADS + head, mix * inverse, mask=inside)
    for start in range(begin, end, TILE):
        pair = start + tl.arange(0, TILE)
        live = pair < end
        logit = tl.load(logits + pair * HEADS + head, mask=live, other=0)
        tl.store(attention + pair * HEADS + head, tl.exp(logit - base) * inverse, mask=live)
