"""The forward pass of the pair block in Triton.

One kernel over tiles of evaluations, whatever rows they belong to, so that short rows waste
nothing: new interactions, logits and values of each evaluation. Then one over rows and heads:
softmax and mixing of the pairs, each with the logits and values of its evaluation.
"""

from collections.abc import Sequence

import triton
import triton.language as tl
from torch import Tensor

from sitenet.model.evaluations import Evaluations, PairIndex
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
    real: list[Tensor], pairs: PairIndex, evaluations: Evaluations, widths: Sequence[int]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Mixed values (R, value * H), new interactions (M, interaction), attention (E, H).

    And the values (M, value). real: own, other (R, C), interactions (S, K), weight, norm weight and
    bias, logit weight. All contiguous.
    """
    inputs, logit_weight = real[2], real[6]
    rows, count = pairs.row_offsets.numel() - 1, evaluations.row.numel()
    heads, total = logit_weight.shape[0], sum_type(inputs.dtype)
    fresh = inputs.new_empty(count, widths[2])
    logits = inputs.new_empty(count, heads, dtype=total)
    values = inputs.new_empty(count, widths[1], dtype=total)
    attention = inputs.new_empty(pairs.row.numel(), heads, dtype=total)
    mixed = inputs.new_empty(rows, widths[1] * heads, dtype=total)
    options = tile_options(inputs, widths)
    if count:
        of = evaluations
        grid = (triton.cdiv(count, options["TILE"]),)
        _evaluate[grid](
            *real, of.row, of.column, of.source, logits, values, fresh, count,
            HEADS=heads, **options,
        )  # fmt: skip
    if rows:
        _rows[(rows, heads)](
            pairs.row_offsets, evaluations.of_pair, pairs.log_count, logits, values, mixed,
            attention, VALUE=widths[1], HEADS=heads, BLOCK=block(widths[1]), TILE=ROW_TILE,
            SUM=options["SUM"], num_warps=1,
        )  # fmt: skip
    return mixed, fresh, attention, values


@triton.jit
def _evaluate(
    own, other, inputs, weight, scale, shift, logit_weight, rows, columns, sources,
    logits, values, fresh, count,
    INPUTS: tl.constexpr, HIDDEN: tl.constexpr, VALUE: tl.constexpr, FRESH: tl.constexpr,
    HIDDEN_BLOCK: tl.constexpr, VALUE_BLOCK: tl.constexpr, FRESH_BLOCK: tl.constexpr,
    HEADS: tl.constexpr, TILE: tl.constexpr, SUM: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Logits (M, HEADS), values (M, VALUE), new interactions (M, FRESH)."""
    CHANNELS: tl.constexpr = HIDDEN + VALUE + FRESH
    place = tl.program_id(0).to(tl.int64) * TILE + tl.arange(0, TILE)
    live = place < count
    row = tl.load(rows + place, mask=live, other=0)
    column = tl.load(columns + place, mask=live, other=0)
    source = place if sources is None else tl.load(sources + place, mask=live, other=0)
    z = preactivation(own, other, inputs, weight, row, column, source, live,
                      0, HIDDEN, HIDDEN_BLOCK, CHANNELS, INPUTS, SUM, PRECISION)  # fmt: skip
    hidden, _ = normalise(mish(z)[0], HIDDEN, HIDDEN_BLOCK)
    # Shift and bias add the same to every logit of a head, which the softmax cancels.
    gamma = parameter(scale, 0, HIDDEN, HIDDEN_BLOCK, SUM)
    for head in tl.static_range(HEADS):
        direction = gamma * parameter(logit_weight, head * HIDDEN, HIDDEN, HIDDEN_BLOCK, SUM)
        logit = tl.sum(hidden * direction[None, :], 1)
        tl.store(logits + place * HEADS + head, logit, mask=live)
    z = preactivation(own, other, inputs, weight, row, column, source, live,
                      HIDDEN, VALUE, VALUE_BLOCK, CHANNELS, INPUTS, SUM, PRECISION)  # fmt: skip
    value, _ = normalise(mish(z)[0], VALUE, VALUE_BLOCK)
    _store(values, value, scale, shift, place, live, HIDDEN, VALUE, VALUE_BLOCK, SUM)
    if FRESH:
        z = preactivation(own, other, inputs, weight, row, column, source, live,
                          HIDDEN + VALUE, FRESH, FRESH_BLOCK, CHANNELS, INPUTS, SUM,
                          PRECISION)  # fmt: skip
        new, _ = normalise(mish(z)[0], FRESH, FRESH_BLOCK)
        _store(fresh, new, scale, shift, place, live, HIDDEN + VALUE, FRESH, FRESH_BLOCK, SUM)


@triton.jit
def _store(
    to, normal, scale, shift, place, live,
    FIRST: tl.constexpr, WIDTH: tl.constexpr, BLOCK: tl.constexpr, SUM: tl.constexpr,
):  # fmt: skip
    """Scales, shifts and stores normalised activations."""
    gamma = parameter(scale, FIRST, WIDTH, BLOCK, SUM)
    beta = parameter(shift, FIRST, WIDTH, BLOCK, SUM)
    channel = tl.arange(0, BLOCK)
    tl.store(
        to + place[:, None] * WIDTH + channel[None, :],
        normal * gamma[None, :] + beta[None, :],
        mask=live[:, None] & (channel < WIDTH)[None, :],
    )


@triton.jit
def _rows(
    offsets, of_pair, log_count, logits, values, mixed, attention,
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
        evaluation = pair if of_pair is None else tl.load(of_pair + pair, mask=live, other=0)
        logit = tl.load(logits + evaluation * HEADS + head, mask=live, other=-float("inf"))
        logit += tl.load(log_count + pair, mask=live, other=0).to(SUM)
        higher = tl.maximum(top, tl.max(logit, 0))
        base = tl.where(higher == -float("inf"), 0, higher)
        weight = tl.exp(logit - base)
        shrink = tl.exp(top - base)
        value = tl.load(
            values + evaluation[:, None] * VALUE + channel[None, :],
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
        evaluation = pair if of_pair is None else tl.load(of_pair + pair, mask=live, other=0)
        logit = tl.load(logits + evaluation * HEADS + head, mask=live, other=0)
        logit += tl.load(log_count + pair, mask=live, other=0).to(SUM)
        tl.store(attention + pair * HEADS + head, tl.exp(logit - base) * inverse, mask=live)
