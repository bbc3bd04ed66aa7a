"""Checks of the pair block's inputs, before their pointers are passed to a kernel."""

from collections.abc import Sequence

import torch
from torch import Tensor

from sitenet.model.evaluations import Evaluations, PairIndex


def check_inputs(
    real: Sequence[Tensor], pairs: PairIndex, evaluations: Evaluations, widths: Sequence[int]
) -> None:
    """Check the types of the indices and all shapes, but not the values of the indices.

    real: project_i, project_j, interactions, weight, norm_weight, norm_bias, logit_weight.

    Raises:
        TypeError: an index is not int64.
        ValueError: the shapes do not fit together, or an index is not contiguous.
    """
    (sources, inputs), heads = real[2].shape, real[6].shape[0]
    rows, channels = pairs.row_offsets.shape[0] - 1, sum(widths)
    check_indices(pairs, evaluations, rows, sources)
    expected: list[tuple[int, ...]] = [(rows, channels), (rows, channels), (sources, inputs)]
    expected += [(channels, inputs), (channels,), (channels,), (heads, widths[0])]
    _compare([tuple(t.shape) for t in real], expected)


def check_indices(pairs: PairIndex, evaluations: Evaluations, rows: int, sources: int) -> None:
    """Check indices for that many site classes and rows of interactions; errors as above."""
    of = evaluations
    indices = [pairs.row_offsets, pairs.row, pairs.column, of.row, of.column, of.of_pair, of.source]
    whole = [index for index in indices if index is not None]
    if any(index.dtype != torch.int64 for index in whole):
        raise TypeError(f"rows, columns, offsets: int64, not {[str(i.dtype) for i in whole]}")
    if not all(index.is_contiguous() for index in whole):
        raise ValueError("rows, columns, offsets must be contiguous")
    count = of.row.shape[0]
    number = count if of.of_pair is None else pairs.row.shape[0]
    expected: list[tuple[int, ...]] = [(count if of.source is None else sources,), (number,)]
    expected += [(rows + 1,), (number,), (number,), (count,), (count,)]
    if of.of_pair is not None:
        expected.append((number,))
    if of.source is not None:
        expected.append((count,))
    found = [(sources,), tuple(pairs.log_count.shape), *(tuple(index.shape) for index in whole)]
    _compare(found, expected)


def _compare(found: list[tuple[int, ...]], expected: list[tuple[int, ...]]) -> None:
    if found != expected:
        raise ValueError(f"shapes {found}, expected {expected}")
