"""The pair block on the GPU as torch operators: `sitenet::pair_block_gpu` and its gradient.

`pair_block` here has the signature and the results of `sitenet.model.pair_block.pair_block`, save
that the attention carries no gradient and the gradients of the logit bias and of the hidden
network's norm bias, which cancel in the softmax, are exactly zero. float32 (tf32 where
torch.backends.cuda.matmul.allow_tf32 says so), float64, and bfloat16 products under autocast or
where all tensors are bfloat16. The operators are made of Triton kernels (`gpu_forward`,
`gpu_backward`), which also run on the CPU in Triton's interpreter (TRITON_INTERPRET=1).
"""

import torch
import triton
from torch import Tensor

from sitenet.model.kernels.gpu_backward import backward
from sitenet.model.kernels.gpu_forward import forward
from sitenet.model.kernels.gpu_tiles import sum_type
from sitenet.model.pair_block import Pairs, PairWeights

_TYPES = (torch.float64, torch.float32, torch.bfloat16)


def target() -> str:
    """What the kernels are built by and for; RuntimeError unless that is a GPU they can run on."""
    device = triton.runtime.driver.active.get_current_target()
    found = f"Triton {triton.__version__}, {device.backend} {device.arch}"
    if device.backend != "cuda" or device.arch < 80:
        raise RuntimeError(f"needs an NVIDIA GPU of compute capability 8.0 or more, not {found}")
    return found


def pair_block(
    project_i: Tensor, project_j: Tensor, interactions: Tensor, weights: PairWeights, pairs: Pairs
) -> tuple[Tensor, Tensor | None, Tensor]:
    """As sitenet.model.pair_block.pair_block, for tensors on one GPU.

    Under autocast to bfloat16 the new interactions are bfloat16, the rest float32; under autocast
    to float16, whose range the gradients may leave, everything is float32. The networks are
    evaluated for every pair: `pairs.first` must be None.
    """
    assert pairs.first is None
    if pairs.source is not None:
        interactions = interactions.index_select(0, pairs.source)
    dtype = interactions.dtype
    if torch.is_autocast_enabled(interactions.device.type):
        low = torch.get_autocast_dtype(interactions.device.type)
        dtype = low if low == torch.bfloat16 else torch.float32
    mixed, fresh, attention = torch.ops.sitenet.pair_block_gpu(
        project_i.to(dtype),
        project_j.to(dtype),
        interactions.to(dtype),
        weights.weight.to(dtype),
        weights.norm_weight,
        weights.norm_bias,
        weights.logit_weight,
        weights.logit_bias,
        pairs.row_offsets,
        pairs.row,
        pairs.column,
        pairs.log_count,
        list(weights.widths),
    )
    fresh = fresh if weights.widths[2] else None
    return mixed.to(weights.norm_weight.dtype), fresh, attention.detach()


@torch.library.custom_op("sitenet::pair_block_gpu", mutates_args=())
def _forward(
    project_i: Tensor,
    project_j: Tensor,
    interactions: Tensor,
    weight: Tensor,
    norm_weight: Tensor,
    norm_bias: Tensor,
    logit_weight: Tensor,
    logit_bias: Tensor,
    row_offsets: Tensor,
    row: Tensor,
    column: Tensor,
    log_count: Tensor,
    widths: list[int],
) -> tuple[Tensor, Tensor, Tensor]:
    """Mixed values, new interactions, attention."""
    real = [project_i, project_j, interactions, weight, norm_weight, norm_bias, logit_weight]
    whole = [row_offsets, row, column]
    _check([*real, log_count], whole, widths)
    with torch.cuda.device_of(interactions):
        return forward(_contiguous(real), _contiguous(whole), log_count.contiguous(), widths)


@_forward.register_fake
def _(
    project_i: Tensor,
    project_j: Tensor,
    interactions: Tensor,
    weight: Tensor,
    norm_weight: Tensor,
    norm_bias: Tensor,
    logit_weight: Tensor,
    logit_bias: Tensor,
    row_offsets: Tensor,
    row: Tensor,
    column: Tensor,
    log_count: Tensor,
    widths: list[int],
) -> tuple[Tensor, Tensor, Tensor]:
    pairs, heads, total = interactions.shape[0], logit_weight.shape[0], sum_type(interactions.dtype)
    return (
        interactions.new_empty(row_offsets.shape[0] - 1, widths[1] * heads, dtype=total),
        interactions.new_empty(pairs, widths[2]),
        interactions.new_empty(pairs, heads, dtype=total),
    )


@torch.library.custom_op("sitenet::pair_block_gpu_backward", mutates_args=())
def _backward(
    real: list[Tensor],
    whole: list[Tensor],
    kept: list[Tensor],
    gradients: list[Tensor],
    widths: list[int],
) -> list[Tensor]:
    """Gradients of the seven real inputs.

    whole: row_offsets, row, column; kept: mixed, attention; gradients: of mixed and of the new
    interactions.
    """
    real, whole, kept, gradients = map(_contiguous, (real, whole, kept, gradients))
    with torch.cuda.device_of(real[0]), torch.autocast(real[0].device.type, enabled=False):
        return backward(real, whole, kept, gradients, widths)


@_backward.register_fake
def _(
    real: list[Tensor],
    whole: list[Tensor],
    kept: list[Tensor],
    gradients: list[Tensor],
    widths: list[int],
) -> list[Tensor]:
    return [torch.empty_like(t, memory_format=torch.contiguous_format) for t in real]


def _save(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    *tensors, ctx.widths = inputs
    mixed, _, attention = output
    ctx.save_for_backward(*tensors[:7], *tensors[8:11], mixed, attention, tensors[7])
    ctx.mark_non_differentiable(attention)


def _gradient(ctx, grad_mixed, grad_fresh, _):  # type: ignore[no-untyped-def]
    *tensors, logit_bias = ctx.saved_tensors
    gradients = torch.ops.sitenet.pair_block_gpu_backward(
        tensors[:7], tensors[7:10], tensors[10:], [grad_mixed, grad_fresh], ctx.widths
    )
    return *gradients, torch.zeros_like(logit_bias), None, None, None, None, None


_forward.register_autograd(_gradient, setup_context=_save)


def _contiguous(tensors: list[Tensor]) -> list[Tensor]:
    return [tensor.contiguous() for tensor in tensors]


def _check(real: list[Tensor], whole: list[Tensor], widths: list[int]) -> None:
    """TypeError or ValueError for what the kernels cannot take; indices are not looked at."""
    wide, dtype = real[:4], real[0].dtype
    if dtype not in _TYPES or any(t.dtype != dtype for t in wide):
        raise TypeError(f"all float32, float64 or bfloat16, not {[str(t.dtype) for t in wide]}")
    if any(t.dtype != torch.int64 for t in whole):
        raise TypeError(f"row_offsets, row, column are int64, not {[str(t.dtype) for t in whole]}")
    (pairs, inputs), heads = real[2].shape, real[6].shape[0]
    rows, channels = whole[0].shape[0] - 1, sum(widths)
    sites, vector = (rows, channels), (channels,)
    expected = [sites, sites, (pairs, inputs), (channels, inputs), vector, vector]
    expected += [(heads, widths[0]), (pairs,), (rows + 1,), (pairs,), (pairs,)]
    found = [tuple(t.shape) for t in (*real, *whole)]
    if found != expected:
        raise ValueError(f"shapes {found}, expected {expected}")
