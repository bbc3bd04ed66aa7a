"""Linear layer, Mish and layer norm in one compiled kernel, with its gradient, on the CPU.

No activation is stored: the backward pass computes them again. As many threads as torch uses.
"""

import ctypes
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from sitenet.model.kernels.compiled import (
    TYPES,
    Functions,
    contiguous,
    pointers,
    structure_of_pointers,
)

LARGEST = 2**18
"""Weights of the largest layer that is faster here than in PyTorch: those that stay in cache."""


class _Shape(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int64) for name in ("rows", "inputs", "channels")]


# The structure of dense.cpp with this name.
_Inputs = structure_of_pointers("x", "weight", "bias", "scale", "shift")
_given = [ctypes.POINTER(_Shape), ctypes.POINTER(_Inputs)]
functions = Functions(
    "dense",
    [*_given, *[ctypes.c_void_p] * 2],
    [*_given, *[ctypes.c_void_p] * 2, ctypes.POINTER(_Inputs)],
)


def dense(x: Tensor, weight: Tensor, bias: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Layer norm of Mish of x @ weight.T + bias, with `scale` and `shift`: (R, C).

    x (R, K), weight (C, K), the others (C,); all float32 or all float64, on the CPU.

    Raises:
        TypeError: not all tensors are of one of these types.
        ValueError: the shapes do not fit together.
    """
    tensors = (x, weight, bias, scale, shift)
    if x.dtype not in TYPES or any(t.dtype != x.dtype for t in tensors):
        raise TypeError(f"all float32 or all float64, not {[str(t.dtype) for t in tensors]}")
    channels = bias.shape
    if x.ndim != 2 or weight.shape != (*channels, x.shape[1]) or len(channels) != 1:
        raise ValueError(f"shapes {[tuple(t.shape) for t in tensors]}")
    if scale.shape != channels or shift.shape != channels:
        raise ValueError(f"shapes {[tuple(t.shape) for t in tensors]}")
    return _Dense.apply(*tensors)


class _Dense(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *tensors: Tensor) -> Tensor:
        """Keeps mean and inverse deviation (2, R) of each row for the gradient."""
        given = contiguous(tensors)
        x, bias = given[0], given[2]
        result, kept = x.new_empty(len(x), len(bias)), x.new_empty(2, len(x))
        _call("forward", given, result.data_ptr(), kept.data_ptr())
        ctx.save_for_backward(*given, kept)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of the five tensors; of x only where it needs one."""
        *given, kept = ctx.saved_tensors
        gradient = gradient.contiguous()
        results: list[Tensor | None] = [torch.empty_like(tensor) for tensor in given]
        if not ctx.needs_input_grad[0]:
            results[0] = None
        outputs = pointers(_Inputs, results)
        _call("backward", given, kept.data_ptr(), gradient.data_ptr(), outputs)
        return tuple(results)


def _call(name: str, given: list[Tensor], *more: object) -> None:
    shape = _Shape(*given[0].shape, len(given[2]))
    if functions(name, given[0].dtype, shape, pointers(_Inputs, given), *more):
        raise MemoryError(f"dense layer ({name})")
