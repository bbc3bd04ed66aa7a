"""The compiled Mish and layer norm as torch operators: `sitenet::mish_norm` and its gradient."""

import ctypes
from pathlib import Path

import torch
from torch import Tensor

_TYPES = {torch.float32: "float32", torch.float64: "float64"}
_functions: dict[tuple[str, torch.dtype], ctypes._CFuncPtr] = {}  # type: ignore[name-defined]


def open_library(path: Path) -> None:
    """Takes the functions from the library that `build.library` made; OSError if it is unfit."""
    loaded = ctypes.CDLL(str(path))
    for name, pointers in (("forward", 5), ("backward", 7)):
        for dtype, suffix in _TYPES.items():
            function = getattr(loaded, f"mish_norm_{name}_{suffix}")
            function.argtypes = [ctypes.c_int64, ctypes.c_int64, ctypes.c_int]
            function.argtypes += [ctypes.c_void_p] * pointers
            _functions[name, dtype] = function


def mish_norm(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """layer_norm(mish(x)) with scale `weight` and shift `bias` (C,) of x (E, C) on the CPU."""
    return torch.ops.sitenet.mish_norm(x, weight, bias)[0]


@torch.library.custom_op("sitenet::mish_norm", mutates_args=(), device_types="cpu")
def _forward(x: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """The result and, for the gradient, mean and inverse deviation (E, 2) of each row."""
    if x.dtype not in _TYPES or {x.dtype, weight.dtype, bias.dtype} != {x.dtype}:
        raise TypeError(f"all float32 or all float64, not {x.dtype}, {weight.dtype}, {bias.dtype}")
    if x.ndim != 2 or weight.shape != x.shape[1:] or bias.shape != x.shape[1:]:
        raise ValueError(f"shapes {tuple(x.shape)}, {tuple(weight.shape)}, {tuple(bias.shape)}")
    result, saved = torch.empty(x.shape, dtype=x.dtype), x.new_empty(x.shape[0], 2)
    _call("forward", [x, weight, bias], [result, saved])
    return result, saved


@_forward.register_fake
def _(x: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    return torch.empty_like(x), x.new_empty(x.shape[0], 2)


@torch.library.custom_op("sitenet::mish_norm_backward", mutates_args=(), device_types="cpu")
def _backward(
    x: Tensor, weight: Tensor, saved: Tensor, gradient: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    outputs = (
        torch.empty(x.shape, dtype=x.dtype),
        torch.empty_like(weight),
        torch.empty_like(weight),
    )
    _call("backward", [x, weight, saved, gradient], list(outputs))
    return outputs


@_backward.register_fake
def _(x: Tensor, weight: Tensor, saved: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return torch.empty_like(x), torch.empty_like(weight), torch.empty_like(weight)


def _save(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    x, weight, _ = inputs
    ctx.save_for_backward(x, weight, output[1])
    ctx.mark_non_differentiable(output[1])


def _gradient(ctx, gradient, _):  # type: ignore[no-untyped-def]
    return torch.ops.sitenet.mish_norm_backward(*ctx.saved_tensors, gradient)


_forward.register_autograd(_gradient, setup_context=_save)


def _call(name: str, inputs: list[Tensor], outputs: list[Tensor]) -> None:
    x = inputs[0]
    held = [t.contiguous() for t in inputs]
    pointers = [t.data_ptr() for t in (*held, *outputs)]
    if _functions[name, x.dtype](*x.shape, torch.get_num_threads(), *pointers):
        raise MemoryError(f"Mish and layer norm ({name})")
