"""The first sites and interactions of a network in one compiled call, with the gradient.

The same numbers as `SiteFeatures` and `pair_features`, each followed by its layer, up to rounding.
Distances get no gradient.
"""

import ctypes
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from sitenet.model.input_features import PAIR_FEATURES, SiteFeatures
from sitenet.model.kernels.compiled import (
    TYPES,
    Functions,
    contiguous,
    pointers,
    structure_of_pointers,
)
from sitenet.model.layers import LMN, parameters_of

_INTEGERS = ("rows", "evaluations", "elements", "properties", "embedded", "kinds")
_TENSORS = ("numbers", "row", "column", "first",
            "oxidation", "distance", "property", "shift", "factor")  # fmt: skip


class _Given(ctypes.Structure):
    """The structure of inputs.cpp with this name."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in _INTEGERS),
        *((name, ctypes.c_void_p) for name in _TENSORS),
    ]


# The other structures of inputs.cpp.
_PARTS = ("weight", "bias", "scale", "shift")
_Networks = structure_of_pointers(
    "table", *(f"{name}_{part}" for name in ("site", "pair") for part in _PARTS)
)
_Kept = structure_of_pointers("sites", "interactions", "site_features", "pair_features",
                              "site_norm", "pair_norm")  # fmt: skip
_Channels = ctypes.c_int64 * 2
_given = [ctypes.POINTER(_Given), ctypes.POINTER(_Channels)]
_networks, _kept = ctypes.POINTER(_Networks), ctypes.POINTER(_Kept)
functions = Functions(
    "inputs",
    [*_given, ctypes.c_int64, ctypes.c_int64, _networks, _kept],
    [*_given, _networks, _kept, _networks],
)


def first_features(
    features: SiteFeatures,
    kind: str,
    layers: tuple[LMN, LMN],
    sites: tuple[Tensor, Tensor],
    evaluations: tuple[Tensor, Tensor, Tensor],
    distance: Tensor,
) -> tuple[Tensor, Tensor]:
    """First sites (R, width) and interactions (M, width).

    kind: of `PAIR_FEATURES`. layers: of the sites and of the pairs, with Mish and layer norm.
    sites: numbers (R,), oxidation (R,); evaluations: row, column, pair (M,) of each; distance (E,).
    Rows of the embedding that are used are shortened in place, as nn.Embedding does.

    Raises:
        TypeError: not all real tensors are float32 or all float64, or an index is not int64.
        ValueError: the shapes do not fit together.
        IndexError: an index is out of range.
    """
    numbers, oxidation = sites
    parameters = parameters_of(layers)
    table = None if features.embedding is None else features.embedding.weight
    constants = [t.to(oxidation.dtype) for t in
                 (features.properties, features.shift, features.factor)]  # fmt: skip
    real = [oxidation, distance, *parameters, *([] if table is None else [table])]
    if oxidation.dtype not in TYPES or any(t.dtype != oxidation.dtype for t in real):
        raise TypeError(f"all float32 or all float64, not {[str(t.dtype) for t in real]}")
    indices = (numbers, *evaluations)
    if any(index.dtype != torch.int64 for index in indices):
        raise TypeError(f"indices: int64, not {[str(index.dtype) for index in indices]}")
    fit = layers[0].linear.in_features == features.outputs
    fit = fit and layers[1].linear.in_features == len(PAIR_FEATURES[kind])
    if not fit or len({len(index) for index in evaluations}) > 1 or len(oxidation) != len(numbers):
        raise ValueError(f"shapes {[tuple(t.shape) for t in (*real, *indices)]}")
    given = contiguous((*indices, oxidation, distance, *constants))
    return _Inputs.apply(given, len(PAIR_FEATURES[kind]), table, *parameters)


class Shapes(NamedTuple):
    """The sizes of `_Given`, and channels of a site and of a pair."""

    sizes: tuple[int, ...]
    widths: tuple[int, int]


def shapes(given: Sequence[Tensor], kinds: int, tensors: Sequence[Tensor | None]) -> Shapes:
    """given: those of `_Given`; tensors: `_Networks`; kinds: inputs of a pair."""
    table, *parameters = tensors
    assert parameters[0] is not None
    assert parameters[4] is not None
    elements, properties = given[6].shape
    embedded = 0 if table is None else table.shape[1]
    sizes = len(given[0]), len(given[1]), elements, properties, embedded, kinds
    return Shapes(sizes, (len(parameters[0]), len(parameters[4])))


def forward(
    shapes: Shapes, given: Sequence[Tensor], tensors: Sequence[Tensor | None]
) -> list[Tensor]:
    """Sites, interactions, and the rest of `_Kept`."""
    sites, evaluations, _, properties, embedded, kinds = shapes.sizes
    new = given[4].new_empty
    kept = [
        new(sites, shapes.widths[0]),
        new(evaluations, shapes.widths[1]),
        new(sites, embedded + properties + 1),
        new(evaluations, kinds),
        new(2, sites),
        new(2, evaluations),
    ]
    table = tensors[0]
    status = functions(
        "forward",
        given[4].dtype,
        _structure(shapes.sizes, given),
        _Channels(*shapes.widths),
        len(given[5]),
        table is not None,
        pointers(_Networks, tensors),
        pointers(_Kept, kept),
    )
    _raise(status, "forward")
    if table is not None:
        torch.autograd.graph.increment_version(table)
    return kept


def backward(
    shapes: Shapes,
    given: Sequence[Tensor],
    parameters: Sequence[Tensor | None],
    kept: Sequence[Tensor],
    gradients: Sequence[Tensor],
    results: Sequence[Tensor | None],
) -> None:
    """Write the gradients of `_Networks` to `results`; that of the table is added.

    parameters: `_Networks` without the table. kept: what `forward` gave, without the first two,
    whose gradients are `gradients`.
    """
    status = functions(
        "backward",
        gradients[0].dtype,
        _structure(shapes.sizes, given),
        _Channels(*shapes.widths),
        pointers(_Networks, [None, *parameters]),
        pointers(_Kept, [*gradients, *kept]),
        pointers(_Networks, results),
    )
    _raise(status, "backward")


class _Inputs(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, given: list[Tensor], kinds: int, *tensors: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """given: those of `_Given`; tensors: `_Networks`."""
        table, *parameters = tensors
        ctx.given, ctx.shapes = given, shapes(given, kinds, tensors)
        ctx.table = None if table is None else table.shape  # another call may shorten its rows
        sites, interactions, *kept = forward(ctx.shapes, given, tensors)
        ctx.save_for_backward(*parameters, *kept)
        return sites, interactions

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of the table and of the parameters."""
        parameters, kept = ctx.saved_tensors[:8], ctx.saved_tensors[8:]
        given = contiguous(gradients)
        results = [None if ctx.table is None else given[0].new_zeros(ctx.table)]
        results += [torch.empty_like(tensor) for tensor in parameters]
        backward(ctx.shapes, ctx.given, parameters, kept, given, results)
        return None, None, *results


def _structure(sizes: Sequence[int], given: Sequence[Tensor]) -> _Given:
    return _Given(*sizes, *(tensor.data_ptr() for tensor in given))


def _raise(status: int, name: str) -> None:
    if status == 1:
        raise IndexError("an element, a site class or a pair is out of range")
    if status == 2:
        raise MemoryError(f"inputs ({name})")
