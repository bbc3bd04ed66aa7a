"""The compiled pair block against the plain one in float64, and its choice, build and errors."""

import dataclasses
import logging

import pytest
import torch

from sitenet.model import kernels
from sitenet.model.kernels import build
from sitenet.model.kernels.build import NoCompiler
from sitenet.model.pair_block import Pairs, PairWeights, pair_block

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


@pytest.fixture(scope="module")
def compiled():
    """The compiled block; skips without a compiler."""
    kernels.load.cache_clear()
    block = kernels.load()
    if block is None:
        pytest.skip("no C++ compiler")
    return block


@pytest.fixture
def fresh_choice(compiled):
    """Lets a test choose the path anew and forgets its choice afterwards."""
    kernels.load.cache_clear()
    yield
    kernels.load.cache_clear()


@pytest.fixture(params=[1, 3])
def threads(request):
    """Threads of torch, given back afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


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
    return tensors, Pairs(offsets, row, column, log_count)


def evaluate(block, tensors, pairs, widths, dtype):
    """Outputs and gradients in all inputs, by name, for a random cotangent."""
    leaves = [t.to(dtype).requires_grad_() for t in tensors]
    pairs = dataclasses.replace(pairs, log_count=pairs.log_count.to(dtype))
    mixed, fresh, attention = block(*leaves[:3], PairWeights(*leaves[3:], widths), pairs)
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


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 1e-5)])
def test_matches_plain(compiled, threads, name, dtype, tolerance):
    widths = SHAPES[name][1]
    tensors, pairs = case(*SHAPES[name])
    if dtype == torch.float32:  # the same numbers in both precisions
        tensors = [t.float().double() for t in tensors]
        pairs = dataclasses.replace(pairs, log_count=pairs.log_count.float().double())
    expected = evaluate(pair_block, tensors, pairs, widths, torch.float64)
    found = evaluate(compiled, tensors, pairs, widths, dtype)
    assert found.keys() == expected.keys()
    for key, reference in expected.items():
        assert found[key].dtype == dtype
        assert found[key].shape == reference.shape
        scale = max(1.0, float(reference.abs().max())) if reference.numel() else 1.0
        error = (found[key].double() - reference).abs()
        assert bool((error <= tolerance * scale).all()), (key, float(error.max()) / scale)


@pytest.mark.parametrize("name", ["table 1", "last block", "odd widths", "single pairs"])
@pytest.mark.parametrize("block", ["plain", "compiled"])
def test_shared_interactions_are_copies(compiled, threads, block, name):
    """Pairs that read one row of interactions, against pairs that each have a copy of it."""
    (lengths, widths, inputs, heads) = SHAPES[name]
    tensors, pairs = case(lengths, widths, inputs, heads)
    count = tensors[2].shape[0]
    generator = torch.Generator().manual_seed(2)
    source = torch.randint(0, 1 + count // 3, (count,), generator=generator)
    shared = [*tensors[:2], tensors[2][: 1 + count // 3], *tensors[3:]]
    copied = [*tensors[:2], shared[2][source], *tensors[3:]]
    expected = evaluate(pair_block, copied, pairs, widths, torch.float64)
    summed = torch.zeros_like(shared[2]).index_add(0, source, expected["d interactions"])
    expected["d interactions"] = summed
    chosen = compiled if block == "compiled" else pair_block
    reading = dataclasses.replace(pairs, source=source)
    found = evaluate(chosen, shared, reading, widths, torch.float64)
    for key, reference in expected.items():
        torch.testing.assert_close(found[key], reference, rtol=1e-11, atol=1e-11, msg=key)


@pytest.mark.parametrize("name", ["table 1", "last block", "odd widths", "single pairs"])
@pytest.mark.parametrize("block", ["plain", "compiled"])
def test_alike_pairs_are_evaluated_once(compiled, threads, block, name):
    """Pairs of a type have equal sites and interactions: against an evaluation for each pair."""
    (lengths, widths, inputs, heads) = SHAPES[name]
    tensors, pairs = case(lengths, widths, inputs, heads)
    kind = torch.arange(len(lengths)) % 3
    for site in tensors[:2]:
        site.copy_(site[:3][kind])  # three kinds of sites
    interaction = torch.arange(len(pairs.row)) % 5
    _, types = torch.stack([kind[pairs.row], kind[pairs.column], interaction], 1).unique(
        dim=0, return_inverse=True
    )
    found, source = types.unique(return_inverse=True)
    first = torch.stack([(source == k).nonzero()[0, 0] for k in range(len(found))])
    each = [*tensors[:2], tensors[2][first][source], *tensors[3:]]
    once = [*tensors[:2], tensors[2][first], *tensors[3:]]
    chosen = compiled if block == "compiled" else pair_block
    shared = dataclasses.replace(pairs, source=source, first=first)

    def results(tensors, pairs, spread):
        """Outputs and gradients; those of sites and interactions summed over equal ones."""
        leaves = [t.clone().requires_grad_() for t in tensors]
        outputs = chosen(*leaves[:3], PairWeights(*leaves[3:], widths), pairs)
        mixed, fresh, attention = (x[spread] if k == 1 and x is not None else x
                                   for k, x in enumerate(outputs))  # fmt: skip
        loss = mixed.sin().sum() + (0 if fresh is None else (fresh.cos() * attention[:, :1]).sum())
        own, other, pair, *rest = torch.autograd.grad(loss, leaves)
        by_kind = [own.new_zeros(3, own.shape[1]).index_add(0, kind, g) for g in (own, other)]
        if pairs.first is None:
            pair = torch.zeros_like(once[2]).index_add(0, source, pair)
        return [mixed, attention, *by_kind, pair, *rest]

    expected = results(each, pairs, slice(None))
    for value, reference in zip(results(once, shared, source), expected, strict=True):
        torch.testing.assert_close(value, reference, rtol=1e-11, atol=1e-11)


def test_gradients_are_those_of_the_values(compiled):
    tensors, pairs = case([4, 1, 6], (5, 3, 2), 4, 2)
    leaves = [t.requires_grad_() for t in tensors]

    def block(*inputs):
        weights = PairWeights(*inputs[3:], (5, 3, 2))
        return compiled(*inputs[:3], weights, pairs)[:2]

    assert torch.autograd.gradcheck(block, leaves, atol=1e-6)


def test_same_bits_every_time(compiled, threads):
    lengths, widths, inputs, heads = [37, 80, 5] * 4, (225, 30, 48), 48, 3
    tensors, pairs = case(lengths, widths, inputs, heads)
    first = evaluate(compiled, tensors, pairs, widths, torch.float32)
    for _ in range(3):
        again = evaluate(compiled, tensors, pairs, widths, torch.float32)
        assert all(torch.equal(first[key], again[key]) for key in first)


def test_extreme_activations(compiled):
    tensors, pairs = case([30, 30], (40, 5, 6), 8, 2, masked=False)
    tensors[0] *= 1e3
    expected = evaluate(pair_block, tensors, pairs, (40, 5, 6), torch.float64)
    found = evaluate(compiled, tensors, pairs, (40, 5, 6), torch.float64)
    for key, reference in expected.items():
        torch.testing.assert_close(found[key], reference, rtol=1e-9, atol=1e-9)


def test_rows_with_only_masked_pairs_are_nan_as_in_plain(compiled):
    tensors, pairs = case([4, 5], (9, 3, 2), 3, 2)
    pairs.log_count[:4] = -torch.inf
    weights = PairWeights(*tensors[3:], (9, 3, 2))
    for block in (pair_block, compiled):
        mixed, _, attention = block(*tensors[:3], weights, pairs)
        assert bool(mixed[0].isnan().all())
        assert bool(attention[:4].isnan().all())
        assert bool(mixed[1].isfinite().all())


def test_attention_carries_no_gradient_and_the_logit_bias_gets_zero(compiled):
    tensors, pairs = case([4, 5], (9, 3, 2), 3, 2)
    leaves = [t.requires_grad_() for t in tensors]
    mixed, _, attention = compiled(*leaves[:3], PairWeights(*leaves[3:], (9, 3, 2)), pairs)
    assert not attention.requires_grad
    (gradient,) = torch.autograd.grad(mixed.sum(), leaves[-1:])
    assert torch.equal(gradient, torch.zeros_like(gradient))


def test_operators_pass_opcheck(compiled):
    (lengths, widths, inputs, heads) = ([4, 1, 6], (5, 3, 2), 4, 2)
    tensors, pairs = case(lengths, widths, inputs, heads)
    leaves = [t.requires_grad_() for t in tensors]
    source = torch.arange(len(pairs.column)) // 2
    none, row, column = source[:0], pairs.row, pairs.column
    fewer = leaves[2][: int(source[-1]) + 1].detach().requires_grad_()
    for interactions, indices in (
        (leaves[2], [row, column, none, pairs.row_offsets, none]),
        (fewer, [row, column, source, pairs.row_offsets, none]),
        (fewer, [row[::2], column[::2], none, pairs.row_offsets, source]),
    ):
        given = [*leaves[:2], interactions, *leaves[3:]]
        check_operators(given, indices, pairs.log_count, list(widths))


def check_operators(leaves, indices, log_count, widths):
    arguments = (*leaves, *indices, log_count, widths)
    torch.library.opcheck(torch.ops.sitenet.pair_block.default, arguments)
    real = [t.detach() for t in leaves[:7]]
    with torch.no_grad():
        mixed, fresh, *kept = torch.ops.sitenet.pair_block(*arguments)
    backward = ([*real, *indices], [mixed, *kept], [mixed, fresh], widths)
    torch.library.opcheck(torch.ops.sitenet.pair_block_backward.default, backward)


def test_wrong_inputs_are_refused(compiled):
    tensors, pairs = case([4, 1, 6], (5, 3, 2), 4, 2)
    weights = PairWeights(*tensors[3:], (5, 3, 2))
    for column in (3, -1):
        wrong = pairs.column.clone()
        wrong[5] = column
        with pytest.raises(IndexError):
            compiled(*tensors[:3], weights, dataclasses.replace(pairs, column=wrong))
    for source in (torch.full((11,), 4), torch.full((11,), -1)):
        with pytest.raises(IndexError):
            compiled(*tensors[:2], tensors[2][:4], weights,
                     dataclasses.replace(pairs, source=source))  # fmt: skip
        alike = dataclasses.replace(pairs, source=source, first=torch.arange(4))
        with pytest.raises(IndexError):
            compiled(*tensors[:2], tensors[2][:4], weights, alike)
    offsets = pairs.row_offsets[[0, 2, 1, 3]]
    with pytest.raises(IndexError):
        compiled(*tensors[:3], weights, dataclasses.replace(pairs, row_offsets=offsets))
    with pytest.raises(TypeError, match="float32"):
        compiled(tensors[0].half(), *tensors[1:3], weights, pairs)
    with pytest.raises(TypeError, match="int64"):
        compiled(*tensors[:3], weights, dataclasses.replace(pairs, column=pairs.column.int()))
    with pytest.raises(ValueError, match="shapes"):
        compiled(tensors[0][:, 1:], *tensors[1:3], weights, pairs)


def test_engine_is_chosen_by_the_environment(fresh_choice, monkeypatch, caplog):
    caplog.set_level(logging.INFO, "sitenet")
    monkeypatch.setattr(kernels.log, "propagate", True)
    monkeypatch.setenv("SITENET_ENGINE", "plain")
    assert kernels.load() is None
    assert "plain" in caplog.text
    kernels.load.cache_clear()
    monkeypatch.setenv("SITENET_ENGINE", "fast")
    with pytest.raises(ValueError, match="fast"):
        kernels.load()


def test_a_failing_compiler_means_the_plain_path(fresh_choice, monkeypatch, caplog, tmp_path):
    monkeypatch.setattr(kernels.log, "propagate", True)
    compiler = tmp_path / "c++"
    compiler.write_text('#!/bin/sh\n[ "$1" = --version ] || { echo no such luck >&2; exit 1; }\n')
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("SITENET_ENGINE", raising=False)
    assert kernels.load() is None
    assert "no such luck" in caplog.text
    assert list((tmp_path / "cache" / "sitenet").iterdir()) == []
    kernels.load.cache_clear()
    monkeypatch.setenv("SITENET_ENGINE", "compiled")
    with pytest.raises(NoCompiler, match="no such luck"):
        kernels.load()


def test_the_library_depends_on_source_flags_and_cpu(compiled, monkeypatch):
    before = build.library()
    assert build.library() == before
    monkeypatch.setattr(build, "_cpu", lambda: "another")
    monkeypatch.setattr(build, "_run", lambda command: "")
    assert build._cache() / f"kernels-{build._key('g++')}.so" != before
