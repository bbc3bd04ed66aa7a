"""An attention block in one compiled call, with its gradient, for tensors on the CPU.

The same numbers as `linear` for the site parts, `pair_block` and the network gS one after the
other; small batches spend less time between the calls, and no weights are joined.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from sitenet.model.base import Block
from sitenet.model.evaluations import Evaluations, PairIndex
from sitenet.model.kernels.checks import check_indices
from sitenet.model.kernels.compiled import (
    TYPES,
    Functions,
    contiguous,
    pointers,
    structure_of_pointers,
)
from sitenet.model.kernels.pair_block_cpu import Indices, Sizes, raise_status
from sitenet.model.layers import parameters_of

_VECTOR = 16
"""Channels are padded to multiples of this or less."""

# The structures of attention.cpp with these names.
_NETWORK = ("weight", "bias", "scale", "shift")
_Inputs = structure_of_pointers(
    "sites", "interactions",
    *(f"{name}_{part}" for name in ("attention", "values", "interaction") for part in _NETWORK),
    "logit_weight", *(f"next_{part}" for part in _NETWORK),
)  # fmt: skip
_Kept = structure_of_pointers(
    "mixed", "fresh", "attention", "values", "saved", "own", "other", "norm", "sites"
)
_Channels = ctypes.c_int64 * 2
_given = [ctypes.POINTER(kind) for kind in (Sizes, _Channels, _Inputs, Indices)]
functions = Functions(
    "attention",
    [*_given, ctypes.c_void_p, ctypes.POINTER(_Kept)],
    [*_given, ctypes.POINTER(_Kept), ctypes.POINTER(_Inputs)],
)


def attention_block(
    block: Block, sites: Tensor, interactions: Tensor, pairs: PairIndex, evaluations: Evaluations
) -> tuple[Tensor, Tensor | None, Tensor]:
    """New sites (R, width), new interactions or None, and attention (E, H) without gradient.

    block: one layer for the attention weights, Mish and layer norm everywhere. sites (R, S);
    interactions (M, K), or another number of rows with `evaluations.source`; float32 or float64.
    Products of the pair networks are those of `pair_block`.

    Raises:
        TypeError: not all real tensors are of one of these types, or indices are not int64.
        ValueError: the shapes do not fit together.
        IndexError: an index is out of range, or row_offsets do not rise from 0 to E.
    """
    parameters = parameters_of_block(block)
    real = [sites, interactions, *(p for p in parameters if p is not None)]
    if sites.dtype not in TYPES or any(t.dtype != sites.dtype for t in real):
        raise TypeError(f"all float32 or all float64, not {[str(t.dtype) for t in real]}")
    width = sites.shape[1] + sites.shape[1] + interactions.shape[1]
    if block.values.linear.in_features != width:
        raise ValueError(f"shapes {[tuple(t.shape) for t in real]}")
    check_indices(pairs, evaluations, sites.shape[0], interactions.shape[0])
    problem = Problem(pairs, evaluations, functions.products(sites.dtype))
    new, fresh, attention = _Attention.apply(
        problem, block.logits.bias, sites, interactions, *parameters
    )
    return new, None if block.interactions is None else fresh, attention


def parameters_of_block(block: Any) -> list[Any]:
    """Those of `_Inputs`, without the first two."""
    networks = [block.attention[0], block.values, block.interactions]
    return [*parameters_of(networks), block.logits.weight, *parameters_of([block.sites])]


@dataclass(frozen=True)
class Problem:
    """The inputs that have no gradient."""

    pairs: PairIndex
    evaluations: Evaluations
    products: torch.dtype
    """Of the pair networks: that of the tensors, or bfloat16."""

    def shapes(self, given: Sequence[Any]) -> tuple[Sizes, Any, object, object]:
        """What both functions take first."""
        sites, interactions, attention, *_ = given
        values, new, logits, following = given[6], given[10], given[14], given[15]
        of = self.evaluations
        sizes = Sizes(
            sites.shape[0],
            self.pairs.log_count.shape[0],
            of.row.shape[0],
            *interactions.shape,
            *(0 if t is None else t.shape[0] for t in (logits, attention, values, new)),
        )
        indices = of.row, of.column, of.source, self.pairs.row_offsets, of.of_pair
        channels = _Channels(sites.shape[1], following.shape[0])
        return sizes, channels, pointers(_Inputs, given), pointers(Indices, indices)


def forward(problem: Problem, given: Sequence[Any]) -> list[Tensor]:
    """What `_Kept` names; given: contiguous tensors of `_Inputs`."""
    sites = given[0]
    shapes = problem.shapes(given)
    sizes, (_, channels) = shapes[:2]
    log_count = problem.pairs.log_count.to(sites.dtype).contiguous()
    padded = sum(_padded(width) for width in (sizes.hidden, sizes.value, sizes.interaction))
    kept = [
        sites.new_empty(shape)
        for shape in (
            (sizes.rows, sizes.value * sizes.heads),
            (sizes.evaluations, sizes.interaction),
            (sizes.pairs, sizes.heads),
            (sizes.evaluations, _padded(sizes.value)),
            (6 + sizes.heads, sizes.evaluations),
            (sizes.rows, padded),
            (sizes.rows, padded),
            (2, sizes.rows),
            (sizes.rows, channels),
        )
    ]
    status = functions("forward", problem.products, *shapes, log_count.data_ptr(),
                       pointers(_Kept, kept))  # fmt: skip
    raise_status(status, "forward")
    return kept


def backward(
    problem: Problem,
    given: Sequence[Any],
    kept: Sequence[Tensor],
    of_fresh: Tensor,
    of_sites: Tensor,
    results: Sequence[Any],
) -> None:
    """Write the gradients of `given` to `results`, from those of new interactions and new sites.

    kept: what `forward` gave, without these.
    """
    mixed, *rest = kept
    places = pointers(_Kept, [mixed, of_fresh, *rest, of_sites])
    shapes = problem.shapes(given)
    status = functions("backward", problem.products, *shapes, places, pointers(_Inputs, results))
    raise_status(status, "backward")


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, problem: Problem, logit_bias: Tensor, *tensors: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        """New sites, new interactions, attention. tensors: `_Inputs`."""
        given = contiguous(tensors)
        mixed, fresh, attention, *rest, new = forward(problem, given)
        ctx.problem = problem
        ctx.save_for_backward(*given, logit_bias, mixed, attention, *rest)
        ctx.mark_non_differentiable(attention)
        return new, fresh, attention

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of the real tensors, from those of new sites and new interactions."""
        saved = ctx.saved_tensors
        given, (logit_bias, *kept) = saved[:19], saved[19:]
        results = [None if t is None else torch.empty_like(t) for t in given]
        of_sites, of_fresh = contiguous(gradients[:2])
        backward(ctx.problem, given, kept, of_fresh, of_sites, results)
        return None, torch.zeros_like(logit_bias), *results


def _padded(width: int) -> int:
    return -(-width // _VECTOR) * _VECTOR
