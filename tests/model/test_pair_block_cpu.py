"""The compiled pair block against the plain one in float64, and its choice, build and errors."""

import dataclasses
import logging

import pytest
import torch
from pair_block_cases import (
    SHAPES,
    SHARED,
    by_type,
    case,
    check_alike_pairs,
    check_shapes_and_types,
    check_shared_interactions,
    evaluate,
)

from sitenet.model import kernels
from sitenet.model.evaluations import Evaluations
from sitenet.model.kernels import build
from sitenet.model.kernels.build import NoCompiler
from sitenet.model.pair_block import PairWeights, pair_block


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
