"""Dot products of chosen rows in a compiled kernel, with its gradient, for tensors on the CPU."""

import ctypes
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from sitenet.model.kernels.compiled import TYPES, Functions, contiguous


class _Chosen(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_int64) for name in ("count", "own_rows", "other_rows", "channels")),
        *((name, ctypes.c_void_p) for name in ("own", "other")),
    ]


functions = Functions(
    "pair_scores",
    [ctypes.POINTER(_Chosen), *[ctypes.c_void_p] * 3],
    [ctypes.POINTER(_Chosen), *[ctypes.c_void_p] * 5],
)


def pair_scores(own: Tensor, other: Tensor, of_own: Tensor, of_other: Tensor) -> Tensor:
    """own[of_own] . other[of_other] (V,) for tables (n, C), (m, C) and rows (V,) on the CPU.

    Raises:
        TypeError: not both tables are float32, or float64.
        ValueError: the shapes do not fit together.
        IndexError: a row is not in its table.
    """
    if own.dtype not in TYPES or other.dtype != own.dtype:
        raise TypeError(f"both float32 or both float64, not {own.dtype}, {other.dtype}")
    if own.ndim != 2 or own.shape[1:] != other.shape[1:] or of_own.shape != of_other.shape:
        shapes = [tuple(t.shape) for t in (own, other, of_own, of_other)]
        raise ValueError(f"shapes {shapes}")
    return _PairScores.apply(own, other, of_own, of_other)


class _PairScores(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *tensors: Tensor) -> Tensor:
        """tensors: own, other, of_own, of_other."""
        own, other, *rows = contiguous(tensors)
        scores = own.new_empty(len(rows[0]))
        _call("forward", own, other, rows, scores)
        ctx.save_for_backward(own, other, *rows)
        return scores

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of both tables."""
        own, other, *rows = ctx.saved_tensors
        results = torch.empty_like(own), torch.empty_like(other)
        _call("backward", own, other, rows, gradient.contiguous(), *results)
        return *results, None, None


def _call(name: str, own: Tensor, other: Tensor, rows: list[Tensor], *tensors: Tensor) -> None:
    chosen = _Chosen(len(rows[0]), len(own), *other.shape, *(t.data_ptr() for t in rows))
    if functions(name, own.dtype, chosen, *(t.data_ptr() for t in (own, other, *tensors))):
        raise IndexError("rows of the scores lie outside the tables")
