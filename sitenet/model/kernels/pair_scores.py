"""The compiled dot products of chosen rows as torch operators: `sitenet::pair_scores`."""

import ctypes
from pathlib import Path

import torch
from torch import Tensor

_TYPES = {torch.float32: "float32", torch.float64: "float64"}
_functions: dict[tuple[str, torch.dtype], ctypes._CFuncPtr] = {}  # type: ignore[name-defined]


class _Chosen(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_int64) for name in ("count", "own_rows", "other_rows", "channels")),
        *((name, ctypes.c_void_p) for name in ("own", "other")),
    ]


def open_library(path: Path) -> None:
    """Takes the functions from the library that `build.library` made; OSError if it is unfit."""
    loaded = ctypes.CDLL(str(path))
    for name, pointers in (("forward", 3), ("backward", 5)):
        for dtype, suffix in _TYPES.items():
            function = getattr(loaded, f"pair_scores_{name}_{suffix}")
            function.argtypes = [ctypes.POINTER(_Chosen), ctypes.c_int]
            function.argtypes += [ctypes.c_void_p] * pointers
            _functions[name, dtype] = function


def pair_scores(own: Tensor, other: Tensor, of_own: Tensor, of_other: Tensor) -> Tensor:
    """own[of_own] . other[of_other] (V,) for tables (n, C), (m, C) and rows (V,) on the CPU."""
    return torch.ops.sitenet.pair_scores(own, other, of_own, of_other)


@torch.library.custom_op("sitenet::pair_scores", mutates_args=(), device_types="cpu")
def _forward(own: Tensor, other: Tensor, of_own: Tensor, of_other: Tensor) -> Tensor:
    if own.dtype not in _TYPES or other.dtype != own.dtype:
        raise TypeError(f"both float32 or both float64, not {own.dtype}, {other.dtype}")
    if own.ndim != 2 or own.shape[1:] != other.shape[1:] or of_own.shape != of_other.shape:
        shapes = [tuple(t.shape) for t in (own, other, of_own, of_other)]
        raise ValueError(f"shapes {shapes}")
    scores = own.new_empty(len(of_own))
    _call("forward", [own, other], [of_own, of_other], [scores])
    return scores


@_forward.register_fake
def _(own: Tensor, other: Tensor, of_own: Tensor, of_other: Tensor) -> Tensor:
    return own.new_empty(of_own.shape[0])


@torch.library.custom_op("sitenet::pair_scores_backward", mutates_args=(), device_types="cpu")
def _backward(
    own: Tensor, other: Tensor, of_own: Tensor, of_other: Tensor, gradient: Tensor
) -> tuple[Tensor, Tensor]:
    outputs = own.new_empty(own.shape), other.new_empty(other.shape)
    _call("backward", [own, other, gradient], [of_own, of_other], list(outputs))
    return outputs


@_backward.register_fake
def _(
    own: Tensor, other: Tensor, of_own: Tensor, of_other: Tensor, gradient: Tensor
) -> tuple[Tensor, Tensor]:
    return own.new_empty(own.shape), other.new_empty(other.shape)


def _save(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    ctx.save_for_backward(*inputs)


def _gradient(ctx, gradient):  # type: ignore[no-untyped-def]
    return *torch.ops.sitenet.pair_scores_backward(*ctx.saved_tensors, gradient), None, None


_forward.register_autograd(_gradient, setup_context=_save)


def _call(name: str, real: list[Tensor], rows: list[Tensor], outputs: list[Tensor]) -> None:
    real, rows = ([t.contiguous() for t in tensors] for tensors in (real, rows))
    own, other = real[:2]
    chosen = _Chosen(len(rows[0]), len(own), *other.shape, *(t.data_ptr() for t in rows))
    pointers = [t.data_ptr() for t in (*real, *outputs)]
    if _functions[name, own.dtype](chosen, torch.get_num_threads(), *pointers):
        raise IndexError("rows of the scores lie outside the tables")
