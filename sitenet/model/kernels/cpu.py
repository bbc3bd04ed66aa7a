"""The compiled pair block as torch operators: `sitenet::pair_block` and its gradient, on CPU.

`pair_block` here has the signature and the results of `sitenet.model.pair_block.pair_block`, save
that the attention carries no gradient and the gradient of the logit bias, which cancels in the
softmax, is exactly zero. float32 and float64; as many threads as torch uses.
"""

import ctypes
from pathlib import Path

import torch
from torch import Tensor

from sitenet.model.pair_block import Pairs, PairWeights

_TYPES = {torch.float32: "float32", torch.float64: "float64"}
_functions: dict[tuple[str, torch.dtype], ctypes._CFuncPtr] = {}  # type: ignore[name-defined]


class _Sizes(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_int64)
        for name in (
            "rows",
            "pairs",
            "evaluations",
            "sources",
            "inputs",
            "heads",
            "hidden",
            "value",
            "interaction",
        )
    ]


def open_library(path: Path) -> None:
    """Takes the functions from the library that `build.library` made; OSError if it is unfit."""
    loaded = ctypes.CDLL(str(path))
    for name, pointers in (("forward", 18), ("backward", 25)):
        for dtype, suffix in _TYPES.items():
            function = getattr(loaded, f"{name}_{suffix}")
            function.argtypes = [ctypes.POINTER(_Sizes), ctypes.c_int]
            function.argtypes += [ctypes.c_void_p] * pointers
            _functions[name, dtype] = function


def pair_block(
    project_i: Tensor, project_j: Tensor, interactions: Tensor, weights: PairWeights, pairs: Pairs
) -> tuple[Tensor, Tensor | None, Tensor]:
    """As sitenet.model.pair_block.pair_block, for float32 or float64 tensors on the CPU."""
    row, column, source, evaluation = pairs.evaluated
    none = column.new_empty(0)
    mixed, fresh, attention, *_ = torch.ops.sitenet.pair_block(
        project_i,
        project_j,
        interactions,
        weights.weight,
        weights.norm_weight,
        weights.norm_bias,
        weights.logit_weight,
        weights.logit_bias,
        row,
        column,
        none if source is None else source,
        pairs.row_offsets,
        none if evaluation is None else evaluation,
        pairs.log_count.to(interactions.dtype),
        list(weights.widths),
    )
    return mixed, fresh if weights.widths[2] else None, attention.detach()


@torch.library.custom_op("sitenet::pair_block", mutates_args=(), device_types="cpu")
def _forward(
    project_i: Tensor,
    project_j: Tensor,
    interactions: Tensor,
    weight: Tensor,
    norm_weight: Tensor,
    norm_bias: Tensor,
    logit_weight: Tensor,
    logit_bias: Tensor,
    row: Tensor,
    column: Tensor,
    source: Tensor,
    row_offsets: Tensor,
    evaluation: Tensor,
    log_count: Tensor,
    widths: list[int],
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Mixed values, new interactions, attention, and values and more that the gradient needs.

    row, column, source (M,): sites and interactions of each evaluation of the networks; an empty
    `source`: each has its own. evaluation (E,): that of each pair; empty: each has its own.
    """
    real = [project_i, project_j, interactions, weight, norm_weight, norm_bias, logit_weight]
    whole = [row, column, source, row_offsets, evaluation]
    sizes = _sizes(interactions, logit_weight, whole, log_count, widths)
    _check([*real, log_count], whole, _shapes(sizes, whole))
    outputs = _outputs(interactions, logit_weight, whole, log_count, widths)
    _call("forward", sizes, [*real, *whole, log_count, *outputs])
    return outputs


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
    row: Tensor,
    column: Tensor,
    source: Tensor,
    row_offsets: Tensor,
    evaluation: Tensor,
    log_count: Tensor,
    widths: list[int],
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    whole = [row, column, source, row_offsets, evaluation]
    return _outputs(interactions, logit_weight, whole, log_count, widths)


@torch.library.custom_op("sitenet::pair_block_backward", mutates_args=(), device_types="cpu")
def _backward(
    inputs: list[Tensor], kept: list[Tensor], gradients: list[Tensor], widths: list[int]
) -> list[Tensor]:
    """Gradients of the seven real inputs.

    inputs: those, row, column, source, row_offsets, evaluation; kept: mixed, attention, values,
    saved; gradients: of mixed and of the new interactions.
    """
    sizes = _sizes(inputs[2], inputs[6], inputs[7:], kept[1], widths)
    outputs = [torch.empty_like(t, memory_format=torch.contiguous_format) for t in inputs[:7]]
    _call("backward", sizes, [*inputs, *kept, *gradients, *outputs])
    return outputs


@_backward.register_fake
def _(
    inputs: list[Tensor], kept: list[Tensor], gradients: list[Tensor], widths: list[int]
) -> list[Tensor]:
    return [torch.empty_like(t, memory_format=torch.contiguous_format) for t in inputs[:7]]


def _save(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    *tensors, ctx.widths = inputs
    mixed, _, *kept = output
    ctx.save_for_backward(*tensors[:7], *tensors[8:13], mixed, *kept, tensors[7])
    ctx.mark_non_differentiable(*kept)


def _gradient(ctx, grad_mixed, grad_fresh, *_):  # type: ignore[no-untyped-def]
    *tensors, logit_bias = ctx.saved_tensors
    gradients = torch.ops.sitenet.pair_block_backward(
        tensors[:12], tensors[12:], [grad_mixed, grad_fresh], ctx.widths
    )
    return *gradients, torch.zeros_like(logit_bias), *[None] * 7


_forward.register_autograd(_gradient, setup_context=_save)


def _sizes(
    interactions: Tensor,
    logit_weight: Tensor,
    whole: list[Tensor],
    of_pairs: Tensor,
    widths: list[int],
) -> _Sizes:
    rows, pairs, evaluations = whole[3].shape[0] - 1, of_pairs.shape[0], whole[0].shape[0]
    sources, inputs = interactions.shape
    return _Sizes(rows, pairs, evaluations, sources, inputs, logit_weight.shape[0], *widths)


def _shapes(s: _Sizes, whole: list[Tensor]) -> list[tuple[int, ...]]:
    channels = s.hidden + s.value + s.interaction
    *_, source, _, evaluation = whole
    sites, inputs = (s.rows, channels), (s.sources if len(source) else s.evaluations, s.inputs)
    weights = [(channels, s.inputs), (channels,), (channels,), (s.heads, s.hidden)]
    named = [(s.evaluations,), (s.evaluations,), (s.evaluations if len(source) else 0,)]
    pairs = s.pairs if len(evaluation) else 0
    counts = s.pairs if len(evaluation) else s.evaluations
    return [sites, sites, inputs, *weights, (counts,), *named, (s.rows + 1,), (pairs,)]


def _check(real: list[Tensor], whole: list[Tensor], shapes: list[tuple[int, ...]]) -> None:
    if real[0].dtype not in _TYPES or any(t.dtype != real[0].dtype for t in real):
        raise TypeError(f"all float32 or all float64, not {[str(t.dtype) for t in real]}")
    if any(t.dtype != torch.int64 for t in whole):
        raise TypeError(f"rows, columns, offsets: int64, not {[str(t.dtype) for t in whole]}")
    found = [tuple(t.shape) for t in (*real, *whole)]
    if found != shapes:
        raise ValueError(f"shapes {found}, expected {shapes}")


def _outputs(
    interactions: Tensor,
    logit_weight: Tensor,
    whole: list[Tensor],
    of_pairs: Tensor,
    widths: list[int],
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    pairs, evaluations, heads = of_pairs.shape[0], whole[0].shape[0], logit_weight.shape[0]
    _, value, interaction = widths
    return (
        interactions.new_empty(whole[3].shape[0] - 1, value * heads),
        interactions.new_empty(evaluations, interaction),
        interactions.new_empty(pairs, heads),
        interactions.new_empty(evaluations, -(-value // 16) * 16),
        interactions.new_empty(6 + heads, evaluations),
    )


def _call(name: str, sizes: _Sizes, tensors: list[Tensor]) -> None:
    held = [t.contiguous() for t in tensors]
    function = _functions[name, tensors[0].dtype]
    status = function(sizes, torch.get_num_threads(), *(t.data_ptr() for t in held))
    if status == 1:
        raise IndexError(
            "row_offsets must rise from 0 to E, rows and columns name site classes, "
            "sources and evaluations what there is"
        )
    if status == 2:
        raise MemoryError(f"pair block ({name})")
