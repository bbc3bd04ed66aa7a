"""The pair block on the GPU in Triton kernels, with its gradient.

`pair_block` here has the signature and the results of `sitenet.model.pair_block.pair_block`, save
that the attention carries no gradient and the gradients of the logit bias and of the hidden
network's norm bias, which cancel in the softmax, are exactly zero. float32 (tf32 where
torch.backends.cuda.matmul.allow_tf32 says so), float64, and bfloat16 products under autocast or
where all tensors are bfloat16. The kernels (`gpu_forward`, `gpu_backward`) also run on the CPU in
Triton's interpreter (TRITON_INTERPRET=1).
"""

from typing import Any

import torch
import triton
from torch import Tensor
from torch.autograd.function import once_differentiable

from sitenet.model.evaluations import Evaluations, PairIndex
from sitenet.model.kernels.checks import check_inputs
from sitenet.model.kernels.compiled import contiguous
from sitenet.model.kernels.gpu_backward import backward
from sitenet.model.kernels.gpu_forward import forward
from sitenet.model.pair_block import PairWeights

_TYPES = (torch.float64, torch.float32, torch.bfloat16)


def target() -> str:
    """Triton's version and the GPU's architecture. Raises RuntimeError for an unsupported GPU."""
    device = triton.runtime.driver.active.get_current_target()
    found = f"Triton {triton.__version__}, {device.backend} {device.arch}"
    if device.backend != "cuda" or device.arch < 80:
        raise RuntimeError(f"needs an NVIDIA GPU of compute capability 8.0 or more, not {found}")
    return found


def pair_block(
    project_i: Tensor,
    project_j: Tensor,
    interactions: Tensor,
    weights: PairWeights,
    pairs: PairIndex,
    evaluations: Evaluations,
) -> tuple[Tensor, Tensor | None, Tensor]:
    """As sitenet.model.pair_block.pair_block, for tensors on one GPU.

    Under autocast to bfloat16 the new interactions are bfloat16, the rest float32; under autocast
    to float16, whose range the gradients may leave, everything is float32.

    Raises:
        TypeError: tensors of types that the kernels cannot take.
        ValueError: the shapes do not fit together. Indices are not checked.
    """
    dtype = interactions.dtype
    if torch.is_autocast_enabled(interactions.device.type):
        low = torch.get_autocast_dtype(interactions.device.type)
        dtype = low if low == torch.bfloat16 else torch.float32
    products = [t.to(dtype) for t in (project_i, project_j, interactions, weights.weight)]
    real = [*products, weights.norm_weight, weights.norm_bias, weights.logit_weight]
    _check_types(products)
    check_inputs(real, pairs, evaluations, weights.widths)
    mixed, fresh, attention = _PairBlock.apply(
        pairs, evaluations, weights.widths, *real, weights.logit_bias
    )
    return mixed.to(weights.norm_weight.dtype), fresh if weights.widths[2] else None, attention


class _PairBlock(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        pairs: PairIndex,
        evaluations: Evaluations,
        widths: tuple[int, int, int],
        *tensors: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Mixed values, new interactions, attention. tensors: the real ones and the logit bias."""
        *real, logit_bias = contiguous(tensors)
        with torch.cuda.device_of(real[2]):
            mixed, fresh, attention, values = forward(real, pairs, evaluations, widths)
        ctx.problem = pairs, evaluations, widths
        # Where no pairs share values, they are computed again.
        kept = None if evaluations.of_pair is None else values
        ctx.save_for_backward(*real, logit_bias, mixed, attention, kept)
        ctx.mark_non_differentiable(attention)
        return mixed, fresh, attention

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of the real tensors, from those of mixed values and new interactions."""
        *real, logit_bias, mixed, attention, values = ctx.saved_tensors
        pairs, evaluations, widths = ctx.problem
        kept, given = [mixed, attention, values], contiguous(gradients[:2])
        device = real[0].device
        with torch.cuda.device_of(real[0]), torch.autocast(device.type, enabled=False):
            found = backward(real, pairs, evaluations, kept, given, widths)
        return None, None, None, *found, torch.zeros_like(logit_bias)


def _check_types(wide: list[Tensor]) -> None:
    """Raise TypeError unless all are of one type that the kernels support."""
    dtype = wide[0].dtype
    if dtype not in _TYPES or any(t.dtype != dtype for t in wide):
        raise TypeError(f"all float32, float64 or bfloat16, not {[str(t.dtype) for t in wide]}")
