"""The compiled pair block against the plain one in float64, and its choice, build and errors."""

import dataclasses
import logging

import pytest
import torch

from sitenet.model import kernels
from sitenet.model.evaluations import Evaluations, PairIndex
from sitenet.model.kernels import build
from sitenet.model.kernels.build import NoCompiler
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


@pytest.mark.parametrize("name", SHARED)
@pytest.mark.parametrize("block", ["plain", "compiled"])
def test_shared_interactions_are_copies(compiled, threads, block, name):
    check_shared_interactions(compiled if block == "compiled" else pair_block, name)


@pytest.mark.parametrize("name", SHARED)
@pytest.mark.parametrize("block", ["plain", "compiled"])
def test_alike_pairs_are_evaluated_once(compiled, threads, block, name):
    check_alike_pairs(compiled if block == "compiled" else pair_block, name)


def test_gradients_are_those_of_the_values(compiled):
    tensors, pairs = case([4, 1, 6], (5, 3, 2), 4, 2)
    leaves = [t.requires_grad_() for t in tensors]

    def block(*inputs):
        weights = PairWeights(*inputs[3:], (5, 3, 2))
        return compiled(*inputs[:3], weights, pairs, evaluations)[:2]

    for evaluations in (Evaluations.of_pairs(pairs), by_type(pairs)):
        fewer = leaves[2][: len(evaluations.row)].detach().requires_grad_()
        assert torch.autograd.gradcheck(block, [*leaves[:2], fewer, *leaves[3:]], atol=1e-6)


def by_type(pairs):
    """Evaluations of types that are two pairs each."""
    pair_type = torch.arange(len(pairs.row)) // 2
    return Evaluations.of_types(pairs, pair_type, torch.arange(0, len(pairs.row), 2))


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
        mixed, _, attention = block(*tensors[:3], weights, pairs, Evaluations.of_pairs(pairs))
        assert bool(mixed[0].isnan().all())
        assert bool(attention[:4].isnan().all())
        assert bool(mixed[1].isfinite().all())


def test_attention_carries_no_gradient_and_the_logit_bias_gets_zero(compiled):
    tensors, pairs = case([4, 5], (9, 3, 2), 3, 2)
    leaves = [t.requires_grad_() for t in tensors]
    weights = PairWeights(*leaves[3:], (9, 3, 2))
    mixed, _, attention = compiled(*leaves[:3], weights, pairs, Evaluations.of_pairs(pairs))
    assert not attention.requires_grad
    (gradient,) = torch.autograd.grad(mixed.sum(), leaves[-1:])
    assert torch.equal(gradient, torch.zeros_like(gradient))


def test_a_second_derivative_is_refused(compiled):
    tensors, pairs = case([4, 5], (9, 3, 2), 3, 2)
    leaves = [t.requires_grad_() for t in tensors]
    weights = PairWeights(*leaves[3:], (9, 3, 2))
    mixed, *_ = compiled(*leaves[:3], weights, pairs, Evaluations.of_pairs(pairs))
    (gradient,) = torch.autograd.grad(mixed.square().sum(), leaves[:1], create_graph=True)
    with pytest.raises(RuntimeError, match="twice"):
        gradient.sum().backward()


def test_wrong_inputs_are_refused(compiled):
    tensors, pairs = case([4, 1, 6], (5, 3, 2), 4, 2)
    weights = PairWeights(*tensors[3:], (5, 3, 2))

    def run(project_i=tensors[0], interactions=tensors[2], evaluations=None, **changes):
        changed = dataclasses.replace(pairs, **changes)
        evaluations = evaluations or Evaluations.of_pairs(changed)
        compiled(project_i, tensors[1], interactions, weights, changed, evaluations)

    for column in (3, -1):
        wrong = pairs.column.clone()
        wrong[5] = column
        with pytest.raises(IndexError):
            run(column=wrong)
    for index in (torch.full((11,), 4), torch.full((11,), -1)):
        with pytest.raises(IndexError):
            run(interactions=tensors[2][:4], evaluations=Evaluations.of_pairs(pairs, index))
        types = Evaluations.of_types(pairs, index, torch.arange(4))
        with pytest.raises(IndexError):
            run(interactions=tensors[2][:4], evaluations=types)
    with pytest.raises(IndexError):
        run(row_offsets=pairs.row_offsets[[0, 2, 1, 3]])
    with pytest.raises(TypeError, match="float32"):
        run(project_i=tensors[0].half())
    check_shapes_and_types(run, pairs, tensors)


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
