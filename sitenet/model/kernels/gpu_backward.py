"""The backward pass of the pair block in Triton (kernels: `gpu_backward_kernels`).

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
from sitenet.model.kernels.gpu_backward_kernels import evaluate, mixing, segments
from sitenet.model.kernels.gpu_tiles import block, sum_type, tile_options

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
    given = _mixing_inputs(pairs, evaluations, kept, gradients[0], widths[1], heads)
    if count:
        evaluate[(tiles,)](
            *real, row, column, source, *given, gradients[1], slopes, sums, count,
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
        mixing[(count,)](
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
        segments[(rows, triton.cdiv(channels, SUM_BLOCK))](
            slopes, order, ends, out,
            STRIDE=slopes.shape[1], CHANNELS=channels, TILE=SUM_TILE, BLOCK=SUM_BLOCK,
            SUM=tl.float64 if slopes.dtype == torch.float64 else tl.float32, num_warps=4,
        )  # fmt: skip
    return out
