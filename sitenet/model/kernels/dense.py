"""Linear layers, alone or with Mish and layer norm, in one compiled kernel with its gradient.

No activation is stored: the backward pass computes them again. As many threads as torch uses.
"""

import ctypes
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from sitenet.model.kernels.compiled import (
    TYPES,
    Functions,
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
    return _layer(x, weight, bias, scale, shift)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x @ weight.T, with the bias if there is one: (R, C). Shapes and errors as in `dense`."""
    return _layer(x, weight, bias, None, None)


def _layer(*tensors: Tensor | None) -> Tensor:
    x, weight, *vectors = tensors
    assert x is not None
    assert weight is not None
    given = [t for t in tensors if t is not None]
    if x.dtype not in TYPES or any(t.dtype != x.dtype for t in given):
        raise TypeError(f"all float32 or all float64, not {[str(t.dtype) for t in given]}")
    fit = x.ndim == weight.ndim == 2 and weight.shape[1] == x.shape[1]
    if not fit or any(t is not None and t.shape != weight.shape[:1] for t in vectors):
        raise ValueError(f"shapes {[tuple(t.shape) for t in given]}")
    return _Dense.apply(*tensors)


class _Dense(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *tensors: Tensor | None) -> Tensor:
        """Keeps mean and inverse deviation (2, R) of each row for the gradient of a norm."""
        given = [None if t is None else t.contiguous() for t in tensors]
        x, weight = given[:2]
        assert x is not None
        assert weight is not None
        result, kept = x.new_empty(len(x), len(weight)), x.new_empty(2, len(x))
        _call("forward", given, result.data_ptr(), kept.data_ptr())
        ctx.save_for_backward(*given, kept)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of the five tensors; of x only where it needs one."""
        *given, kept = ctx.saved_tensors
        gradient = gradient.contiguous()
        results = [None if t is None else torch.empty_like(t) for t in given]
        if not ctx.needs_input_grad[0]:
            results[0] = None
        outputs = pointers(_Inputs, results)
        _call("backward", given, kept.data_ptr(), gradient.data_ptr(), outputs)
        return tuple(results)


def _call(name: str, given: Sequence[Tensor | None], *more: object) -> None:
    x, weight = given[:2]
    assert x is not None
    assert weight is not None
    shape = _Shape(*x.shape, len(weight))
    if functions(name, x.dtype, shape, pointers(_Inputs, given), *more):
        raise MemoryError(f"dense layer ({name})")
