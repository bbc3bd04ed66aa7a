"""Cases and checks of the pair block that all of its implementations share."""

import dataclasses

import pytest
import torch

from sitenet.model.evaluations import Evaluations, PairIndex
from sitenet.model.pair_block import PairWeights, pair_block
from sitenet.shards.pair_types import distinct

NAMES = ("project_i", "project_j", "interactions", "weight", "norm_weight", "norm_bias")


NAMES += ("logit_weight", "logit_bias")


SHAPES = {  # row lengths, widths (hidden, value, interaction), K, heads
    "table 1": ([5, 1, 0, 17, 100, 3, 60], (225, 30, 48), 48, 3),
    "last block": ([20] * 9, (225, 30, 0), 48, 3),
    "long rows": ([500, 500], (33, 7, 5), 19, 2),
    "single pairs": ([1] * 50, (7, 3, 5), 5, 1),
    "odd widths": ([13, 48, 0, 0, 35], (17, 9, 33), 16, 5),
    "many heads": ([90, 6, 90], (9, 2, 3), 1, 8),
    "no pairs": ([0, 0, 0], (7, 3, 5), 5, 2),
    "no rows": ([], (7, 3, 5), 5, 1),
}


def case(lengths, widths, inputs, heads, masked=True, seed=0):
    """Random float64 tensors in the order of NAMES, and the pairs."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    lengths = torch.tensor(lengths, dtype=torch.int64)
    rows, pairs, channels = len(lengths), int(lengths.sum()), sum(widths)
    offsets = torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)])
    row = torch.repeat_interleave(torch.arange(rows), lengths)
    column = torch.randint(0, max(rows, 1), (pairs,), generator=generator)
    log_count = torch.randint(1, 6, (pairs,), generator=generator).double().log()
    if masked:
        hide = torch.rand(pairs, generator=generator) < 0.4
        hide[offsets[:-1][lengths > 0]] = False
        log_count[hide] = -torch.inf
    tensors = [2 * normal(rows, channels), normal(rows, channels), normal(pairs, inputs)]
    tensors += [normal(channels, inputs), normal(channels), normal(channels)]
    tensors += [normal(heads, widths[0]) / 3, normal(heads)]
    return tensors, PairIndex(offsets, row, column, log_count)


def evaluate(block, tensors, pairs, widths, dtype, evaluations=None):
    """Outputs and gradients in all inputs, by name, for a random cotangent."""
    leaves = [t.to(dtype).requires_grad_() for t in tensors]
    pairs = dataclasses.replace(pairs, log_count=pairs.log_count.to(dtype))
    mixed, fresh, attention = block(
        *leaves[:3], PairWeights(*leaves[3:], widths), pairs,
        evaluations or Evaluations.of_pairs(pairs),
    )  # fmt: skip
    outputs = {"mixed": mixed, "attention": attention}
    if widths[2]:
        outputs["fresh"] = fresh
    else:
        assert fresh is None
    generator = torch.Generator().manual_seed(1)
    loss = mixed.new_zeros(())
    for name in ("mixed", "fresh"):
        if name in outputs:
            cotangent = torch.randn(outputs[name].shape, generator=generator, dtype=torch.float64)
            loss = loss + (outputs[name] * cotangent.to(dtype)).sum()
    gradients = torch.autograd.grad(loss, leaves)
    outputs |= {f"d {name}": g for name, g in zip(NAMES, gradients, strict=True)}
    return {name: value.detach() for name, value in outputs.items()}


def check_shared_interactions(block, name, tolerance=1e-11):
    """Pairs that read one row of interactions, against pairs that each have a copy of it."""
    copied, shared, source, pairs = shared_interactions(name)
    widths = SHAPES[name][1]
    expected = evaluate(pair_block, copied, pairs, widths, torch.float64)
    summed = torch.zeros_like(shared[2]).index_add(0, source, expected["d interactions"])
    expected["d interactions"] = summed
    reading = Evaluations.of_pairs(pairs, source)
    found = evaluate(block, shared, pairs, widths, torch.float64, reading)
    for key, reference in expected.items():
        torch.testing.assert_close(found[key], reference, rtol=tolerance, atol=tolerance, msg=key)


def check_alike_pairs(block, name, tolerance=1e-11):
    """Pairs of a type evaluated once: against an evaluation for each pair."""
    copied, once, by_type, pairs, kind = alike_pairs(name)
    widths = SHAPES[name][1]

    def results(block, tensors, evaluations, spread):
        """Outputs and gradients; those of sites and interactions summed over equal ones."""
        leaves = [t.clone().requires_grad_() for t in tensors]
        weights = PairWeights(*leaves[3:], widths)
        mixed, fresh, attention = block(*leaves[:3], weights, pairs, evaluations)
        loss = mixed.sin().sum()
        if fresh is not None:
            fresh = fresh[spread]
            loss = loss + (fresh.cos() * attention[:, :1].detach()).sum()
        own, other, pair, *rest = torch.autograd.grad(loss, leaves)
        by_kind = [own.new_zeros(3, own.shape[1]).index_add(0, kind, g) for g in (own, other)]
        if evaluations.of_pair is None:
            pair = torch.zeros_like(once[2]).index_add(0, by_type.of_pair, pair)
        return [mixed, fresh, attention, *by_kind, pair, *rest]

    expected = results(pair_block, copied, Evaluations.of_pairs(pairs), slice(None))
    for value, reference in zip(results(block, once, by_type, by_type.of_pair), expected,
                                strict=True):  # fmt: skip
        torch.testing.assert_close(value, reference, rtol=tolerance, atol=tolerance)


SHARED = ["table 1", "last block", "odd widths", "single pairs"]


def by_type(pairs):
    """Evaluations of types that are two pairs each."""
    pair_type = torch.arange(len(pairs.row)) // 2
    return Evaluations.of_types(pairs, pair_type, torch.arange(0, len(pairs.row), 2))


def check_shapes_and_types(run, pairs, tensors):
    """What every kernel refuses."""
    of_pairs = Evaluations.of_pairs(pairs)
    with pytest.raises(TypeError, match="int64"):
        run(column=pairs.column.int())
    with pytest.raises(ValueError, match="contiguous"):
        run(column=torch.stack([pairs.column, pairs.row], 1)[:, 0])
    for wrong in (
        {"project_i": tensors[0][:, 1:]},
        {"interactions": tensors[2][:4]},
        {"log_count": pairs.log_count[1:]},
        {"row_offsets": pairs.row_offsets[1:]},
        {"evaluations": dataclasses.replace(of_pairs, row=pairs.row[1:])},
        {"evaluations": dataclasses.replace(of_pairs, of_pair=pairs.row[1:])},
        {"evaluations": dataclasses.replace(of_pairs, source=pairs.row[1:])},
    ):
        with pytest.raises(ValueError, match="shapes"):
            run(**wrong)


def shared_interactions(name):
    """Tensors with a copy of its interactions for each pair, with few rows of them, and the map."""
    lengths, widths, inputs, heads = SHAPES[name]
    tensors, pairs = case(lengths, widths, inputs, heads)
    count = tensors[2].shape[0]
    generator = torch.Generator().manual_seed(2)
    source = torch.randint(0, 1 + count // 3, (count,), generator=generator)
    shared = [*tensors[:2], tensors[2][: 1 + count // 3], *tensors[3:]]
    copied = [*tensors[:2], shared[2][source], *tensors[3:]]
    return copied, shared, source, pairs


def alike_pairs(name):
    """Tensors of pairs that are alike, with interactions of each and of each type, and the types.

    Pairs of a type have equal sites and interactions; `kind` (R,) tells which sites are equal.
    """
    lengths, widths, inputs, heads = SHAPES[name]
    tensors, pairs = case(lengths, widths, inputs, heads)
    kind = torch.arange(len(lengths)) % 3
    for site in tensors[:2]:
        site.copy_(site[:3][kind])
    interaction = torch.arange(len(pairs.row)) % 5
    pair_type, first = distinct((kind[pairs.row] * 3 + kind[pairs.column]) * 5 + interaction)
    copied = [*tensors[:2], tensors[2][first][pair_type], *tensors[3:]]
    once = [*tensors[:2], tensors[2][first], *tensors[3:]]
    return copied, once, Evaluations.of_types(pairs, pair_type, first), pairs, kind
