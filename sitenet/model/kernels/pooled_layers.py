"""Layers one after the other, with the mean over groups of rows in between, in one compiled call.

The same numbers as `dense` layer by layer and `segment_mean`; small batches spend less time between
the calls.
"""

import ctypes
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from sitenet.model.kernels.compiled import TYPES, Functions, contiguous
from sitenet.model.layers import LMN, parameters_of


class _Chain(ctypes.Structure):
    """The structure of pooled_layers.cpp with this name."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("rows", "groups", "layers", "pooled")),
        *((name, ctypes.c_void_p) for name in ("widths", "group", "weight", "total")),
    ]


_pointer = ctypes.c_void_p
_given: list[type] = [ctypes.POINTER(_Chain), *[_pointer] * 3]
functions = Functions("pooled_layers", _given, [*_given, *[_pointer] * 3])

Shape = tuple[int, list[int]]
"""Number of layers before the mean, and channels before and after each layer."""


def pooled_layers(
    x: Tensor,
    before: Sequence[LMN],
    after: Sequence[LMN],
    weight: Tensor,
    group: Tensor,
    total: Tensor,
) -> Tensor:
    """Layers on rows, their mean by group, layers on the means: (B, width).

    x (R, C), weight (R,); group (R,) int64 in [0, B), total (B,): sums of the weights. Layers with
    layer norm; all tensors but `group` float32 or all float64, on the CPU.

    Raises:
        TypeError: not all tensors are of these types.
        ValueError: the shapes do not fit together.
        IndexError: a group is out of range.
    """
    parameters = parameters_of([*before, *after])
    real = [x, weight, total, *parameters]
    if x.dtype not in TYPES or any(t.dtype != x.dtype for t in real) or group.dtype != torch.int64:
        found = [str(t.dtype) for t in (*real, group)]
        raise TypeError(f"all float32 or all float64, and groups int64, not {found}")
    widths = [x.shape[1], *(bias.shape[0] for bias in parameters[1::4])]
    fit = all(w.shape[1] == c for w, c in zip(parameters[::4], widths, strict=False))
    if not fit or not len(x) == len(weight) == len(group):
        raise ValueError(f"shapes {[tuple(t.shape) for t in (*real, group)]}")
    return _Layers.apply((len(before), widths), x, weight, group, total, *parameters)


def forward(shape: Shape, x: Tensor, given: Sequence[Tensor]) -> list[Tensor]:
    """Output and norms of each layer, then the means.

    given: weight, group, total and the parameters of the layers; all tensors are contiguous.
    """
    total, parameters = given[2], given[3:]
    pooled, widths = shape
    kept = []
    for layer, width in enumerate(widths[1:]):
        rows = len(x) if layer < pooled else len(total)
        kept += [x.new_empty(rows, width), x.new_empty(2, rows)]
    kept.append(x.new_empty(len(total), widths[pooled]))
    arguments = _chain(shape, x, given), x.data_ptr(), _array(parameters), _array(kept)
    _raise(functions("forward", x.dtype, *arguments), "forward")
    return kept


def found(shape: Shape, kept: Sequence[Tensor]) -> Tensor:
    """Of what `forward` gave the last layer's output, or the means if no layer follows them."""
    return kept[-1] if shape[0] == len(shape[1]) - 1 else kept[-3]


def backward(
    shape: Shape,
    x: Tensor,
    given: Sequence[Tensor],
    kept: Sequence[Tensor],
    gradient: Tensor,
    results: Sequence[Tensor],
) -> Tensor:
    """The gradient of x; write those of the parameters to `results`."""
    of_x = torch.empty_like(x)
    status = functions(
        "backward",
        x.dtype,
        _chain(shape, x, given),
        x.data_ptr(),
        _array(given[3:]),
        _array(kept),
        gradient.contiguous().data_ptr(),
        _array(results),
        of_x.data_ptr(),
    )
    _raise(status, "backward")
    return of_x


class _Layers(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, shape: Shape, x: Tensor, *tensors: Tensor) -> Tensor:
        """tensors: weight, group, total and the parameters of the layers."""
        x, *given = contiguous((x, *tensors))
        kept = forward(shape, x, given)
        ctx.shape = shape
        ctx.save_for_backward(x, *given, *kept)
        return found(shape, kept)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of x and of the parameters."""
        x, *saved = ctx.saved_tensors
        count = 3 + 4 * (len(ctx.shape[1]) - 1)
        given, kept = saved[:count], saved[count:]
        results = [torch.empty_like(tensor) for tensor in given[3:]]
        of_x = backward(ctx.shape, x, given, kept, gradient, results)
        return None, of_x, None, None, None, *results


def _chain(shape: Shape, x: Tensor, given: Sequence[Any]) -> _Chain:
    weight, group, total = given[:3]
    pooled, widths = shape
    array = (ctypes.c_int64 * len(widths))(*widths)
    places = (tensor.data_ptr() for tensor in (group, weight, total))
    chain = _Chain(len(x), len(total), len(widths) - 1, pooled, ctypes.addressof(array), *places)
    chain.kept = array  # as long as the structure points to it
    return chain


def _array(tensors: Sequence[Tensor]) -> ctypes.Array:
    """Their pointers, and a null at the end."""
    return (ctypes.c_void_p * (len(tensors) + 1))(*(tensor.data_ptr() for tensor in tensors))


def _raise(status: int, name: str) -> None:
    if status == 1:
        raise IndexError("each row belongs to one of the groups")
    if status == 2:
        raise MemoryError(f"layers ({name})")
