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
    of = evaluations
    indices = [pairs.row_offsets, pairs.row, pairs.column, of.row, of.column, of.of_pair, of.source]
    whole = [index for index in indices if index is not None]
    if any(index.dtype != torch.int64 for index in whole):
        raise TypeError(f"rows, columns, offsets: int64, not {[str(i.dtype) for i in whole]}")
    if not all(index.is_contiguous() for index in whole):
        raise ValueError("rows, columns, offsets must be contiguous")
    (sources, inputs), heads = real[2].shape, real[6].shape[0]
    rows, count, channels = pairs.row_offsets.shape[0] - 1, of.row.shape[0], sum(widths)
    number = count if of.of_pair is None else pairs.row.shape[0]
    expected: list[tuple[int, ...]] = [(rows, channels), (rows, channels)]
    expected += [(count if of.source is None else sources, inputs), (channels, inputs)]
    expected += [(channels,), (channels,), (heads, widths[0]), (number,)]
    expected += [(rows + 1,), (number,), (number,), (count,), (count,)]
    if of.of_pair is not None:
        expected.append((number,))
    if of.source is not None:
        expected.append((count,))
    found = [tuple(t.shape) for t in (*real, pairs.log_count, *whole)]
    if found != expected:
        raise ValueError(f"shapes {found}, expected {expected}")
