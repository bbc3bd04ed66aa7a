"""The Triton kernels of the pair block's backward pass."""

import triton
import triton.language as tl

from sitenet.model.kernels.gpu_tiles import mish, normalise, parameter, preactivation


@triton.jit
def segments(
    slopes, order, ends, out,
    STRIDE: tl.constexpr, CHANNELS: tl.constexpr, TILE: tl.constexpr, BLOCK: tl.constexpr,
    SUM: tl.constexpr,
):  # fmt: skip
    """Sums of slopes[order[ends[r] : ends[r + 1]]] for one r and BLOCK channels."""
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
def mixing(
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
            gradient, logit = _mixing_gradient(
                value[None, :], row, pair, head, mixed, attention, grad_mixed, live, mask,
                channel, VALUE, HEADS,
            )  # fmt: skip
            of_value += gradient
            of_logit += logit
        tl.store(grad_logits + evaluation * HEADS + head, tl.sum(of_logit, 0))
    tl.store(grad_values + evaluation * VALUE + channel, tl.sum(of_value, 0), mask=inside)


@triton.jit
def _mixing_gradient(
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
def evaluate(
    own, other, inputs, weight, scale, shift, logit_weight, rows, columns, sources,
    mixed, attention, grad_mixed, grad_logits, grad_values, grad_fresh, slopes, sums, count,
    STRIDE: tl.constexpr, SUMS: tl.constexpr,
    INPUTS: tl.constexpr, HIDDEN: tl.constexpr, VALUE: tl.constexpr, FRESH: tl.constexpr,
    HIDDEN_BLOCK: tl.constexpr, VALUE_BLOCK: tl.constexpr, FRESH_BLOCK: tl.constexpr,
    HEADS: tl.constexpr, TILE: tl.constexpr, SUM: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Gradients of the pre-activations (M, STRIDE), and this tile's sums (SUMS,).

    These are, of each head, the logits' gradients by hidden channel, then those of scale and shift
    of the values and of the interactions. The gradients of logits and values are given, or computed
    here where each pair has its own evaluation.
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
            of_value, of_logit = _mixing_gradient(
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
