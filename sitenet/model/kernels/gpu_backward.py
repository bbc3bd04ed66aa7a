"""The backward pass of the pair block in Triton.

One kernel over tiles of pairs computes the activations again and stores the gradient of every
pre-activation (E, C), for one block at a time. The rest is linear in it: two matrix products, and
sums over the pairs of a row and over the pairs of a column, the latter in the order of a stable
sort. Nothing is added atomically, so that equal inputs give equal bits.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from sitenet.model.kernels.gpu_tiles import (
    mish,
    normalise,
    parameter,
    preactivation,
    sum_type,
    tile_options,
)

SUM_TILE, SUM_BLOCK = 16, 128  # pairs and channels of a tile of a segment sum


def backward(
    real: list[Tensor],
    whole: list[Tensor],
    kept: list[Tensor],
    gradients: list[Tensor],
    widths: list[int],
) -> list[Tensor]:
    """Gradients of the seven tensors of `real`, in the sense of `gpu_forward.forward`.

    kept: mixed and attention; gradients: of mixed and of the new interactions. All contiguous.
    """
    own, _, inputs, weight, scale, shift, logit_weight = real
    offsets, row, column = whole
    rows, pairs, channels = own.shape[0], inputs.shape[0], sum(widths)
    heads = logit_weight.shape[0]
    options = tile_options(inputs, widths)
    tiles = triton.cdiv(pairs, options["TILE"])
    sums = inputs.new_empty(tiles, _sums(widths, heads), dtype=sum_type(inputs.dtype))
    stride = triton.cdiv(channels, 8) * 8  # rows start where wide loads may
    slopes = inputs.new_empty(pairs, stride)
    if pairs:
        _pairs[(tiles,)](
            *real, row, column, *kept, *gradients, slopes, sums, pairs,
            STRIDE=stride, SUMS=sums.shape[1], HEADS=heads, **options,
        )  # fmt: skip
    by_column, order = torch.sort(column.int(), stable=True)
    ends = torch.searchsorted(by_column, torch.arange(rows + 1, device=own.device).int())
    slope = slopes[:, :channels]
    return [
        _segment_sums(slopes, offsets, None, own),
        _segment_sums(slopes, ends, order, own),
        slope @ weight,
        slope.t() @ inputs,
        *_parameter_gradients(sums.sum(0), scale, shift, logit_weight, widths),
    ]


def _sums(widths: list[int], heads: int) -> int:
    """Sums of a tile: heads x hidden, then scale and shift of the values, of the interactions."""
    return heads * widths[0] + 2 * (widths[1] + widths[2])


def _parameter_gradients(
    sums: Tensor, scale: Tensor, shift: Tensor, logit_weight: Tensor, widths: list[int]
) -> list[Tensor]:
    """Gradients of norm weight, norm bias and logit weight from the sums over all pairs.

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


def _segment_sums(slopes: Tensor, ends: Tensor, order: Tensor | None, like: Tensor) -> Tensor:
    """Sums of slopes[order[ends[r] : ends[r + 1]]] for every r, of the shape and type of `like`."""
    out = torch.empty_like(like)
    rows, channels = like.shape
    if rows:
        _segments[(rows, triton.cdiv(channels, SUM_BLOCK))](
            slopes, ends, order, out,
            STRIDE=slopes.shape[1], CHANNELS=channels, TILE=SUM_TILE, BLOCK=SUM_BLOCK,
            SUM=tl.float64 if slopes.dtype == torch.float64 else tl.float32, num_warps=4,
        )  # fmt: skip
    return out


@triton.jit
def _segments(
    slopes, ends, order, out,
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
        pair = place if order is None else tl.load(order + place, mask=live, other=0)
        total += tl.load(
            slopes + pair[:, None] * STRIDE + channel[None, :],
            mask=live[:, None] & inside[None, :], other=0,
        )  # fmt: skip
    tl.store(out + row * CHANNELS + channel, tl.sum(total, 0), mask=inside)


@triton.jit
def _pairs(
    own, other, inputs, weight, scale, shift, logit_weight, rows, columns,
    mixed, attention, grad_mixed, grad_fresh, slopes, sums, pairs,
    STRIDE: tl.constexpr, SUMS: tl.constexpr,
    INPUTS: tl.constexpr, HIDDEN: tl.constexpr, VALUE: tl.constexpr, FRESH: tl.constexpr,
    HIDDEN_BLOCK: tl.constexpr, VALUE_BLOCK: tl.constexpr, FRESH_BLOCK: tl.constexpr,
    HEADS: tl.constexpr, TILE: tl.constexpr, SUM: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Gradients of the pre-activations (E, STRIDE) and this tile's sums (SUMS,), see `_sums`."""
    CHANNELS: tl.constexpr = HIDDEN + VALUE + FRESH
    HEAD_BLOCK: tl.constexpr = triton.next_power_of_2(HEADS)
    tile = tl.program_id(0).to(tl.int64)
    pair = tile * TILE + tl.arange(0, TILE)
    live = pair < pairs
    row = tl.load(rows + pair, mask=live, other=0)
    column = tl.load(columns + pair, mask=live, other=0)
    sums += tile * SUMS

    # Values: X_h = sum of a_h v gives dv = sum of a_h dX_h and dlogit_h = a_h dX_h . (v - X_h).
    z = preactivation(own, other, inputs, weight, row, column, pair, live,
                      HIDDEN, VALUE, VALUE_BLOCK, CHANNELS, INPUTS, SUM, PRECISION)  # fmt: skip
    activated, slope = mish(z)
    normal, inverse = normalise(activated, VALUE, VALUE_BLOCK)
    gamma = parameter(scale, HIDDEN, VALUE, VALUE_BLOCK, SUM)
    value = normal * gamma[None, :] + parameter(shift, HIDDEN, VALUE, VALUE_BLOCK, SUM)[None, :]
    channel = tl.arange(0, VALUE_BLOCK)
    mask = live[:, None] & (channel < VALUE)[None, :]
    heads = tl.arange(0, HEAD_BLOCK)
    of_logits = tl.zeros((TILE, HEAD_BLOCK), SUM)
    gradient = tl.zeros((TILE, VALUE_BLOCK), SUM)
    for head in tl.static_range(HEADS):
        at = (row[:, None] * VALUE + channel[None, :]) * HEADS + head
        share = tl.load(attention + pair * HEADS + head, mask=live, other=0)
        of_mixed = tl.load(grad_mixed + at, mask=mask, other=0)
        away = value - tl.load(mixed + at, mask=mask, other=0)
        gradient += share[:, None] * of_mixed
        of_logit = share * tl.sum(of_mixed * away, 1)
        of_logits = tl.where((heads == head)[None, :], of_logit[:, None], of_logits)
    _norm_gradient(gradient, normal, inverse, slope, gamma, slopes, sums, pair, live,
                   HIDDEN, HEADS * HIDDEN, VALUE, VALUE_BLOCK, STRIDE)  # fmt: skip

    z = preactivation(own, other, inputs, weight, row, column, pair, live,
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
    _store_slopes(gradient, normal, inverse, slope, slopes, pair, live,
                  0, HIDDEN, HIDDEN_BLOCK, STRIDE)  # fmt: skip

    if FRESH:
        z = preactivation(own, other, inputs, weight, row, column, pair, live,
                          HIDDEN + VALUE, FRESH, FRESH_BLOCK, CHANNELS, INPUTS, SUM,
                          PRECISION)  # fmt: skip
        activated, slope = mish(z)
        normal, inverse = normalise(activated, FRESH, FRESH_BLOCK)
        gamma = parameter(scale, HIDDEN + VALUE, FRESH, FRESH_BLOCK, SUM)
        channel = tl.arange(0, FRESH_BLOCK)
        gradient = tl.load(
            grad_fresh + pair[:, None] * FRESH + channel[None, :],
            mask=live[:, None] & (channel < FRESH)[None, :], other=0,
        ).to(SUM)  # fmt: skip
        _norm_gradient(gradient, normal, inverse, slope, gamma, slopes, sums, pair, live,
                       HIDDEN + VALUE, HEADS * HIDDEN + 2 * VALUE, FRESH, FRESH_BLOCK,
                       STRIDE)  # fmt: skip


@triton.jit
def _norm_gradient(
    gradient, normal, inverse, slope, gamma, slopes, sums, pair, live,
    FIRST: tl.constexpr, PLACE: tl.constexpr, WIDTH: tl.constexpr, BLOCK: tl.constexpr,
    STRIDE: tl.constexpr,
):  # fmt: skip
    """From the gradient of one layer norm's results: its own sums, and the slopes before it."""
    channel = tl.arange(0, BLOCK)
    inside = channel < WIDTH
    tl.store(sums + PLACE + channel, tl.sum(gradient * normal, 0), mask=inside)
    tl.store(sums + PLACE + WIDTH + channel, tl.sum(gradient, 0), mask=inside)
    _store_slopes(gradient * gamma[None, :], normal, inverse, slope, slopes, pair, live,
                  FIRST, WIDTH, BLOCK, STRIDE)  # fmt: skip


@triton.jit
def _store_slopes(
    gradient, normal, inverse, slope, slopes, pair, live,
    FIRST: tl.constexpr, WIDTH: tl.constexpr, BLOCK: tl.constexpr, STRIDE: tl.constexpr,
):  # fmt: skip
    """Gradients before layer norm and Mish, from those of the normalised activations."""
    channel = tl.arange(0, BLOCK)
    mean = tl.sum(gradient, 1) / WIDTH
    along = tl.sum(gradient * normal, 1) / WIDTH
    before = (gradient - mean[:, None] - normal * along[:, None]) * inverse[:, None] * slope
    tl.store(
        slopes + pair[:, None] * STRIDE + FIRST + channel[None, :],
        before, mask=live[:, None] & (channel < WIDTH)[None, :],
    )  # fmt: skip
