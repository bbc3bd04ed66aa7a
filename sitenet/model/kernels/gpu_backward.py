"""The backward pass of the pair block in Triton.

One kernel over tiles of evaluations computes the activations again and stores the gradient of every
pre-activation (M, C), for one block at a time. The rest is linear in it: two matrix products, and
sums over the evaluations of a row, of a column and of a row of interactions. Where pairs share
evaluations, a kernel before it sums the gradients of logits and values over the pairs of each. Sums
are in the order of a stable sort and nothing is added atomically, so that equal inputs give equal
bits.
"""

from collections.abc import Sequence

import torch
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

SUM_TILE, SUM_BLOCK = 16, 128  # evaluations and channels of a tile of a segment sum
PAIR_TILE = 8  # pairs of an evaluation taken at once


def backward(
    real: list[Tensor],
    pairs: PairIndex,
    evaluations: Evaluations,
    kept: Sequence[Tensor | None],
    gradients: Sequence[Tensor],
    widths: Sequence[int],
) -> list[Tensor]:
    """Gradients of the seven tensors of `real`, in the sense of `gpu_forward.forward`.

    kept: mixed, attention and, where pairs share evaluations, values; gradients: of mixed and of
    the new interactions. All contiguous.
    """
    own, _, inputs, weight, scale, shift, logit_weight = real
    row, column, source = evaluations.row, evaluations.column, evaluations.source
    rows, count, channels = own.shape[0], row.numel(), sum(widths)
    heads = logit_weight.shape[0]
    options = tile_options(inputs, widths)
    tiles = triton.cdiv(count, options["TILE"])
    sums = inputs.new_empty(tiles, _sums(widths, heads), dtype=sum_type(inputs.dtype))
    stride = triton.cdiv(channels, 8) * 8  # rows start where wide loads may
    slopes = inputs.new_empty(count, stride)
    mixing = _mixing_inputs(pairs, evaluations, kept, gradients[0], widths[1], heads)
    if count:
        _evaluate[(tiles,)](
            *real, row, column, source, *mixing, gradients[1], slopes, sums, count,
            STRIDE=stride, SUMS=sums.shape[1], HEADS=heads, **options,
        )  # fmt: skip
    row_ends = pairs.row_offsets if evaluations.of_pair is None else _ends(row, rows)
    if source is None:
        of_inputs = slopes[:, :channels]
    else:
        of_inputs = inputs.new_empty(inputs.shape[0], channels)
        _segment_sums(slopes, *_grouped(source, inputs.shape[0]), of_inputs)
    return [
        _segment_sums(slopes, None, row_ends, torch.empty_like(own)),
        _segment_sums(slopes, *_grouped(column, rows), torch.empty_like(own)),
        of_inputs @ weight,
        of_inputs.t() @ inputs,
        *_parameter_gradients(sums.sum(0), scale, shift, logit_weight, widths),
    ]


def _ends(values: Tensor, count: int) -> Tensor:
    """Where the values 0 to `count` begin (count + 1,) among rising `values` (n,)."""
    return torch.searchsorted(values, torch.arange(count + 1, device=values.device).to(values))


def _grouped(index: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The places of each number below `count` in `index` (n,): an order, and where each begins."""
    found, order = torch.sort(index.int(), stable=True)
    return order, _ends(found, count)


def _mixing_inputs(
    pairs: PairIndex,
    evaluations: Evaluations,
    kept: Sequence[Tensor | None],
    grad_mixed: Tensor,
    value: int,
    heads: int,
) -> list[Tensor | None]:
    """What the gradients of logits and values are computed from, or these where pairs share them.

    mixed, attention and grad_mixed, or None; then the gradients of the logits (M, H) and of the
    values (M, value), or None.
    """
    mixed, attention, values = kept
    if evaluations.of_pair is None or values is None:
        return [mixed, attention, grad_mixed, None, None]
    count = evaluations.row.numel()
    of_logits, of_values = values.new_empty(count, heads), values.new_empty(count, value)
    if count:
        order, ends = _grouped(evaluations.of_pair, count)
        _mixing[(count,)](
            order, ends, pairs.row, mixed, attention, values, grad_mixed, of_logits, of_values,
            VALUE=value, HEADS=heads, BLOCK=block(value), TILE=PAIR_TILE,
            SUM=tl.float64 if values.dtype == torch.float64 else tl.float32, num_warps=1,
        )  # fmt: skip
    return [None, None, None, of_logits, of_values]


def _sums(widths: Sequence[int], heads: int) -> int:
    """Sums of a tile: heads x hidden, then scale and shift of the values, of the interactions."""
    return heads * widths[0] + 2 * (widths[1] + widths[2])


def _parameter_gradients(
    sums: Tensor, scale: Tensor, shift: Tensor, logit_weight: Tensor, widths: Sequence[int]
) -> list[Tensor]:
    """Gradients of norm weight, norm bias and logit weight from the sums over all evaluations.

    Those of the hidden network's bias cancel in the softmax: exactly zero.
    """
    heads, hidden = logit_weight.shape
    by_logit = sums[: heads * hidden].view(heads, hidden)
    value_scale, value_shift, fresh_scale, fresh_shift = sums[heads * hidden :].split(
        [widths[1], widths[1], widths[2], widths[2]]
    )
    of_scale = torch.cat([(by_logit * logit_weight).sum(0), value_scale, fresh_scale])
    of_shift = torch.cat([sums.new_zeros(hidden), value_shift, fresh_shift])
    of_logits = by_logit * scale[:hidden]
    pairs = ((of_scale, scale), (of_shift, shift), (of_logits, logit_weight))
    return [gradient.to(like.dtype) for gradient, like in pairs]


def _segment_sums(slopes: Tensor, order: Tensor | None, ends: Tensor, out: Tensor) -> Tensor:
    """Sums of slopes[order[ends[r] : ends[r + 1]]] for every row r of `out`, which is returned."""
    rows, channels = out.shape
    if rows:
        _segments[(rows, triton.cdiv(channels, SUM_BLOCK))](
            slopes, order, ends, out,
            STRIDE=slopes.shape[1], CHANNELS=channels, TILE=SUM_TILE, BLOCK=SUM_BLOCK,
            SUM=tl.float64 if slopes.dtype == torch.float64 else tl.float32, num_warps=4,
        )  # fmt: skip
    return out


@triton.jit
def _segments(
    slopes, order, ends, out,
    STRIDE: tl.constexpr, CHANNELS: tl.constexpr, TILE: tl.constexpr, BLOCK: tl.constexpr,
    SUM: tl.constexpr,
):  # fmt: skip
    """One segment and BLOCK channels of `_segment_sums`."""
    row = tl.program_id(0).to(tl.int64)
    channel = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = channel < CHANNELS
    begin, end = tl.load(ends + row), tl.load(ends + row + 1)
    total = tl.zeros((TILE, BLOCK), SUM)
    for start in range(begin, end, TILE):
        place = start + tl.arange(0, TILE)
        live = place < end
        found = place if order is None else tl.load(order + place, mask=live, other=0)
        total += tl.load(
            slopes + found[:, None] * STRIDE + channel[None, :],
            mask=live[:, None] & inside[None, :], other=0,
        )  # fmt: skip
    tl.store(out + row * CHANNELS + channel, tl.sum(total, 0), mask=inside)


@triton.jit
def _mixing(
    order, ends, rows, mixed, attention, values, grad_mixed, grad_logits, grad_values,
    VALUE: tl.constexpr, HEADS: tl.constexpr, BLOCK: tl.constexpr, TILE: tl.constexpr,
    SUM: tl.constexpr,
):  # fmt: skip
    """Gradients of the logits (HEADS,) and values (VALUE,) of one evaluation, over its pairs."""
    evaluation = tl.program_id(0).to(tl.int64)
    begin, end = tl.load(ends + evaluation), tl.load(ends + evaluation + 1)
    channel = tl.arange(0, BLOCK)
    inside = channel < VALUE
    value = tl.load(values + evaluation * VALUE + channel, mask=inside, other=0)
    of_value = tl.zeros((TILE, BLOCK), SUM)
    for head in tl.static_range(HEADS):
        of_logit = tl.zeros((TILE,), SUM)
        for start in range(begin, end, TILE):
            place = start + tl.arange(0, TILE)
            live = place < end
            pair = tl.load(order + place, mask=live, other=0)
            row = tl.load(rows + pair, mask=live, other=0)
            mask = live[:, None] & inside[None, :]
            gradient, logit = mixing_gradient(
                value[None, :], row, pair, head, mixed, attention, grad_mixed, live, mask,
                channel, VALUE, HEADS,
            )  # fmt: skip
            of_value += gradient
            of_logit += logit
        tl.store(grad_logits + evaluation * HEADS + head, tl.sum(of_logit, 0))
    tl.store(grad_values + evaluation * VALUE + channel, tl.sum(of_value, 0), mask=inside)


@triton.jit
def mixing_gradient(
    value, row, pair, head, mixed, attention, grad_mixed, live, mask, channel,
    VALUE: tl.constexpr, HEADS: tl.constexpr,
):  # fmt: skip
    """What some pairs add to the gradients of their values (., BLOCK) and logits (.,) by a head.

    X_h = sum of a_h v gives dv = sum of a_h dX_h and dlogit_h = a_h dX_h . (v - X_h).
    """
    at = (row[:, None] * VALUE + channel[None, :]) * HEADS + head
    share = tl.load(attention + pair * HEADS + head, mask=live, other=0)
    of_mixed = tl.load(grad_mixed + at, mask=mask, other=0)
    away = value - tl.load(mixed + at, mask=mask, other=0)
    return share[:, None] * of_mixed, share * tl.sum(of_mixed * away, 1)


@triton.jit
def _evaluate(
    own, other, inputs, weight, scale, shift, logit_weight, rows, columns, sources,
    mixed, attention, grad_mixed, grad_logits, grad_values, grad_fresh, slopes, sums, count,
    STRIDE: tl.constexpr, SUMS: tl.constexpr,
    INPUTS: tl.constexpr, HIDDEN: tl.constexpr, VALUE: tl.constexpr, FRESH: tl.constexpr,
    HIDDEN_BLOCK: tl.constexpr, VALUE_BLOCK: tl.constexpr, FRESH_BLOCK: tl.constexpr,
    HEADS: tl.constexpr, TILE: tl.constexpr, SUM: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Gradients of the pre-activations (M, STRIDE) and this tile's sums (SUMS,), see `_sums`.

    Those of logits and values are given, or computed here where each pair has an evaluation.
    """
    CHANNELS: tl.constexpr = HIDDEN + VALUE + FRESH
    HEAD_BLOCK: tl.constexpr = triton.next_power_of_2(HEADS)
    tile = tl.program_id(0).to(tl.int64)
    place = tile * TILE + tl.arange(0, TILE)
    live = place < count
    row = tl.load(rows + place, mask=live, other=0)
    column = tl.load(columns + place, mask=live, other=0)
    source = place if sources is None else tl.load(sources + place, mask=live, other=0)
    sums += tile * SUMS

    z = preactivation(own, other, inputs, weight, row, column, source, live,
                      HIDDEN, VALUE, VALUE_BLOCK, CHANNELS, INPUTS, SUM, PRECISION)  # fmt: skip
    activated, slope = mish(z)
    normal, inverse = normalise(activated, VALUE, VALUE_BLOCK)
    gamma = parameter(scale, HIDDEN, VALUE, VALUE_BLOCK, SUM)
    channel = tl.arange(0, VALUE_BLOCK)
    mask = live[:, None] & (channel < VALUE)[None, :]
    heads = tl.arange(0, HEAD_BLOCK)
    if grad_values is None:
        value = normal * gamma[None, :] + parameter(shift, HIDDEN, VALUE, VALUE_BLOCK, SUM)[None, :]
        of_logits = tl.zeros((TILE, HEAD_BLOCK), SUM)
        gradient = tl.zeros((TILE, VALUE_BLOCK), SUM)
        for head in tl.static_range(HEADS):
            of_value, of_logit = mixing_gradient(
                value, row, place, head, mixed, attention, grad_mixed, live, mask, channel,
                VALUE, HEADS,
            )  # fmt: skip
            gradient += of_value
            of_logits = tl.where((heads == head)[None, :], of_logit[:, None], of_logits)
    else:
        gradient = tl.load(
            grad_values + place[:, None] * VALUE + channel[None, :], mask=mask, other=0
        )
        of_logits = tl.load(
            grad_logits + place[:, None] * HEADS + heads[None, :],
            mask=live[:, None] & (heads < HEADS)[None, :], other=0,
        )  # fmt: skip
    _norm_gradient(gradient, normal, inverse, slope, gamma, slopes, sums, place, live,
                   HIDDEN, HEADS * HIDDEN, VALUE, VALUE_BLOCK, STRIDE)  # fmt: skip

    z = preactivation(own, other, inputs, weight, row, column, source, live,
                      0, HIDDEN, HIDDEN_BLOCK, CHANNELS, INPUTS, SUM, PRECISION)  # fmt: skip
    activated, slope = mish(z)
    normal, inverse = normalise(activated, HIDDEN, HIDDEN_BLOCK)
    gamma = parameter(scale, 0, HIDDEN, HIDDEN_BLOCK, SUM)
    channel = tl.arange(0, HIDDEN_BLOCK)
    gradient = tl.zeros((TILE, HIDDEN_BLOCK), SUM)
    for head in tl.static_range(HEADS):
        of_logit = tl.sum(tl.where((heads == head)[None, :], of_logits, 0), 1)
        direction = gamma * parameter(logit_weight, head * HIDDEN, HIDDEN, HIDDEN_BLOCK, SUM)
        gradient += of_logit[:, None] * direction[None, :]
        total = tl.sum(of_logit[:, None] * normal, 0)
        tl.store(sums + head * HIDDEN + channel, total, mask=channel < HIDDEN)
    _store_slopes(gradient, normal, inverse, slope, slopes, place, live,
                  0, HIDDEN, HIDDEN_BLOCK, STRIDE)  # fmt: skip

    if FRESH:
        z = preactivation(own, other, inputs, weight, row, column, source, live,
                          HIDDEN + VALUE, FRESH, FRESH_BLOCK, CHANNELS, INPUTS, SUM,
                          PRECISION)  # fmt: skip
        activated, slope = mish(z)
        normal, inverse = normalise(activated, FRESH, FRESH_BLOCK)
        gamma = parameter(scale, HIDDEN + VALUE, FRESH, FRESH_BLOCK, SUM)
        channel = tl.arange(0, FRESH_BLOCK)
        gradient = tl.load(
            grad_fresh + place[:, None] * FRESH + channel[None, :],
            mask=live[:, None] & (channel < FRESH)[None, :], other=0,
        ).to(SUM)  # fmt: skip
        _norm_gradient(gradient, normal, inverse, slope, gamma, slopes, sums, place, live,
                       HIDDEN + VALUE, HEADS * HIDDEN + 2 * VALUE, FRESH, FRESH_BLOCK,
                       STRIDE)  # fmt: skip


@triton.jit
def _norm_gradient(
    gradient, normal, inverse, slope, gamma, slopes, sums, place, live,
    FIRST: tl.constexpr, PLACE: tl.constexpr, WIDTH: tl.constexpr, BLOCK: tl.constexpr,
    STRIDE: tl.constexpr,
):  # fmt: skip
    """From the gradient of one layer norm's results: its own sums, and the slopes before it."""
    channel = tl.arange(0, BLOCK)
    inside = channel < WIDTH
    tl.store(sums + PLACE + channel, tl.sum(gradient * normal, 0), mask=inside)
    tl.store(sums + PLACE + WIDTH + channel, tl.sum(gradient, 0), mask=inside)
    _store_slopes(gradient * gamma[None, :], normal, inverse, slope, slopes, place, live,
                  FIRST, WIDTH, BLOCK, STRIDE)  # fmt: skip


@triton.jit
def _store_slopes(
    gradient, normal, inverse, slope, slopes, place, live,
    FIRST: tl.constexpr, WIDTH: tl.constexpr, BLOCK: tl.constexpr, STRIDE: tl.constexpr,
):  # fmt: skip
    """Gradients before layer norm and Mish, from those of the normalised activations."""
    channel = tl.arange(0, BLOCK)
    mean = tl.sum(gradient, 1) / WIDTH
    along = tl.sum(gradient * normal, 1) / WIDTH
    before = (gradient - mean[:, None] - normal * along[:, None]) * inverse[:, None] * slope
    tl.store(
        slopes + place[:, None] * STRIDE + FIRST + channel[None, :],
        before, mask=live[:, None] & (channel < WIDTH)[None, :],
    )  # fmt: skip
