"""The pair block in a compiled kernel, with its gradient, for tensors on the CPU.

`pair_block` here has the signature and the results of `sitenet.model.pair_block.pair_block`, save
that the attention carries no gradient and the gradient of the logit bias, which cancels in the
softmax, is exactly zero. float32 and float64; as many threads as torch uses. Under autocast to
bfloat16 tensors are float32, and what the matrix products of the networks multiply is rounded to
bfloat16, forward and backward, if the processor has such products.
"""

import ctypes
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from sitenet.model.evaluations import Evaluations, PairIndex
from sitenet.model.kernels.checks import check_inputs
from sitenet.model.kernels.compiled import (
    LOW,
    TYPES,
    Functions,
    autocast_to_low,
    contiguous,
    pointers,
    structure_of_pointers,
)
from sitenet.model.pair_block import PairWeights


class Sizes(ctypes.Structure):
    """The structure of tiles.h with this name."""

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


# The structures of pair_block.cpp with these names.
_Inputs = structure_of_pointers(
    "project_i", "project_j", "interactions", "weight", "norm_weight", "norm_bias", "logit_weight"
)
Indices = structure_of_pointers("row", "column", "source", "offsets", "of_pair")
_Results = structure_of_pointers("mixed", "fresh", "attention", "values", "saved")
_given = [ctypes.POINTER(kind) for kind in (Sizes, _Inputs, Indices)]
functions = Functions(
    "pair_block",
    [*_given, ctypes.c_void_p, ctypes.POINTER(_Results)],
    [*_given, ctypes.POINTER(_Results), *[ctypes.c_void_p] * 2, ctypes.POINTER(_Inputs)],
)


def pair_block(
    project_i: Tensor,
    project_j: Tensor,
    interactions: Tensor,
    weights: PairWeights,
    pairs: PairIndex,
    evaluations: Evaluations,
) -> tuple[Tensor, Tensor | None, Tensor]:
    """As sitenet.model.pair_block.pair_block, for float32 or float64 tensors on the CPU.

    Raises:
        TypeError: not all real tensors are of one of these types, or indices are not int64.
        ValueError: the shapes do not fit together.
        IndexError: an index is out of range, or row_offsets do not rise from 0 to E.
    """
    real = [project_i, project_j, interactions, weights.weight, weights.norm_weight,
            weights.norm_bias, weights.logit_weight]  # fmt: skip
    if autocast_to_low():
        real = [t.float() if t.dtype == LOW else t for t in real]
    if real[0].dtype not in TYPES or any(t.dtype != real[0].dtype for t in real):
        raise TypeError(f"all float32 or all float64, not {[str(t.dtype) for t in real]}")
    check_inputs(real, pairs, evaluations, weights.widths)
    problem = _Problem(pairs, evaluations, weights.widths, functions.products(real[0].dtype))
    mixed, fresh, attention = _PairBlock.apply(problem, *real, weights.logit_bias)
    return mixed, fresh if weights.widths[2] else None, attention


@dataclass(frozen=True)
class _Problem:
    """The inputs that have no gradient."""

    pairs: PairIndex
    evaluations: Evaluations
    widths: tuple[int, int, int]
    products: torch.dtype

    @property
    def indices(self) -> list[Tensor | None]:
        """The members of `Indices`."""
        of = self.evaluations
        return [of.row, of.column, of.source, self.pairs.row_offsets, of.of_pair]

    def sizes(self, interactions: Tensor, logit_weight: Tensor) -> Sizes:
        """All sizes, for tensors with these shapes."""
        rows, pairs = self.pairs.row_offsets.shape[0] - 1, self.pairs.log_count.shape[0]
        evaluations, heads = self.evaluations.row.shape[0], logit_weight.shape[0]
        return Sizes(rows, pairs, evaluations, *interactions.shape, heads, *self.widths)


class _PairBlock(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, problem: _Problem, *tensors: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        """Mixed values, new interactions, attention. tensors: `_Inputs` and the logit bias."""
        *real, logit_bias = contiguous(tensors)
        sizes = problem.sizes(real[2], real[6])
        results = _new_results(sizes, real[2])
        log_count = problem.pairs.log_count.to(real[2].dtype).contiguous()
        _call("forward", sizes, real, problem, log_count.data_ptr(), pointers(_Results, results))
        mixed, fresh, attention, *kept = results
        ctx.problem = problem
        ctx.save_for_backward(*real, logit_bias, mixed, attention, *kept)
        ctx.mark_non_differentiable(attention)
        return mixed, fresh, attention

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of the real tensors, from those of mixed values and new interactions."""
        *real, logit_bias, mixed, attention, values, saved = ctx.saved_tensors
        results = [torch.empty_like(tensor) for tensor in real]
        given = contiguous(gradients[:2])
        _call(
            "backward",
            ctx.problem.sizes(real[2], real[6]),
            real,
            ctx.problem,
            pointers(_Results, [mixed, None, attention, values, saved]),
            *(gradient.data_ptr() for gradient in given),
            pointers(_Inputs, results),
        )
        return None, *results, torch.zeros_like(logit_bias)


def _new_results(s: Sizes, like: Tensor) -> list[Tensor]:
    """Empty tensors of `_Results`."""
    return [
        like.new_empty(s.rows, s.value * s.heads),
        like.new_empty(s.evaluations, s.interaction),
        like.new_empty(s.pairs, s.heads),
        like.new_empty(s.evaluations, -(-s.value // 16) * 16),
        like.new_empty(6 + s.heads, s.evaluations),
    ]


def _call(name: str, sizes: Sizes, real: list[Tensor], problem: _Problem, *more: object) -> None:
    given = sizes, pointers(_Inputs, real), pointers(Indices, problem.indices)
    raise_status(functions(name, problem.products, *given, *more), name)


def raise_status(status: int, name: str) -> None:
    """Raise what the result of the function `name` stands for, if it is an error."""
    if status == 1:
        raise IndexError(
            "row_offsets must rise from 0 to E, rows and columns name site classes, "
            "sources and evaluations what there is"
        )
    if status == 2:
        raise MemoryError(f"pair block ({name})")
