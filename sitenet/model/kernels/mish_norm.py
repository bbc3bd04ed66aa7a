"""Mish and layer norm in one compiled kernel, with its gradient, for tensors on the CPU."""

import ctypes
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from sitenet.model.kernels.compiled import TYPES, Functions, contiguous

_SHAPE = (ctypes.c_int64, ctypes.c_int64)
functions = Functions(
    "mish_norm", [*_SHAPE, *[ctypes.c_void_p] * 5], [*_SHAPE, *[ctypes.c_void_p] * 7]
)


def mish_norm(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """layer_norm(mish(x)) with scale `weight` and shift `bias` (C,) of x (E, C) on the CPU.

    Raises:
        TypeError: not all are float32, or all float64.
        ValueError: the shapes do not fit together.
    """
    if x.dtype not in TYPES or {x.dtype, weight.dtype, bias.dtype} != {x.dtype}:
        raise TypeError(f"all float32 or all float64, not {x.dtype}, {weight.dtype}, {bias.dtype}")
    if x.ndim != 2 or weight.shape != x.shape[1:] or bias.shape != x.shape[1:]:
        raise ValueError(f"shapes {tuple(x.shape)}, {tuple(weight.shape)}, {tuple(bias.shape)}")
    return _MishNorm.apply(x, weight, bias)


class _MishNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Keeps mean and inverse deviation (E, 2) of each row for the gradient."""
        x, weight, bias = contiguous((x, weight, bias))
        result, kept = torch.empty_like(x), x.new_empty(x.shape[0], 2)
        _call("forward", x, weight, bias, result, kept)
        ctx.save_for_backward(x, weight, kept)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        """Gradients of x, weight and bias."""
        x, weight, kept = ctx.saved_tensors
        results = torch.empty_like(x), torch.empty_like(weight), torch.empty_like(weight)
        _call("backward", x, weight, kept, gradient.contiguous(), *results)
        return results


def _call(name: str, x: Tensor, *tensors: Tensor) -> None:
    if functions(name, x.dtype, *x.shape, *(t.data_ptr() for t in (x, *tensors))):
        raise MemoryError(f"Mish and layer norm ({name})")
