"""The Triton kernels against the plain pair block in float64, and their choice.

On a CUDA device where there is one, else on the CPU in Triton's interpreter (TRITON_INTERPRET, set
in conftest.py), which runs the same source; then they are also compiled for GPUs, though not run.
"""

import dataclasses
import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
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
from sitenet.model import sitenet as engine
from sitenet.model.evaluations import Evaluations
from sitenet.model.pair_block import PairWeights, pair_block
from sitenet.model.sitenet import SiteNet
from sitenet.options.model import ModelSettings
from sitenet.shards.batch import RaggedBatch

triton = pytest.importorskip("triton", reason="Triton is not installed")
import triton.language as tl  # noqa: E402
from triton_targets import TARGETS, Driver  # noqa: E402

from sitenet.model.kernels import pair_block_gpu  # noqa: E402

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5}


def fused(project_i, project_j, interactions, weights, pairs, evaluations):
    """The block on DEVICE, for tensors on the CPU and with results there."""

    def moved(thing):
        values = {f.name: getattr(thing, f.name) for f in dataclasses.fields(thing)}
        return type(thing)(**{
            name: v.to(DEVICE) if isinstance(v, torch.Tensor) else v for name, v in values.items()
        })  # fmt: skip

    real = [t.to(DEVICE) for t in (project_i, project_j, interactions)]
    outputs = pair_block_gpu.pair_block(*real, *map(moved, (weights, pairs, evaluations)))
    return tuple(None if output is None else output.cpu() for output in outputs)


def compare(tensors, pairs, widths, dtype):
    """Outputs and all gradients of `fused` in `dtype` against the plain block in float64."""
    tensors = [t.to(dtype).double() for t in tensors]  # the same numbers in both
    pairs = dataclasses.replace(pairs, log_count=pairs.log_count.to(dtype).double())
    expected = evaluate(pair_block, tensors, pairs, widths, torch.float64)
    found = evaluate(fused, tensors, pairs, widths, dtype)
    assert found.keys() == expected.keys()
    for key, reference in expected.items():
        assert found[key].dtype == dtype
        assert found[key].shape == reference.shape
        scale = max(1.0, float(reference.abs().max())) if reference.numel() else 1.0
        error = (found[key].double() - reference).abs()
        assert bool((error <= TOLERANCE[dtype] * scale).all()), (key, float(error.max()) / scale)


@pytest.mark.parametrize("name", SHAPES)
def test_matches_plain(name):
    compare(*case(*SHAPES[name]), SHAPES[name][1], torch.float64)


@pytest.mark.parametrize("name", ["table 1", "last block", "odd widths", "many heads"])
def test_matches_plain_in_float32(name):
    compare(*case(*SHAPES[name]), SHAPES[name][1], torch.float32)


@given(
    lengths=st.lists(st.one_of(st.integers(0, 3), st.integers(0, 90)), max_size=5),
    widths=st.tuples(st.integers(1, 40), st.integers(1, 20), st.integers(0, 20)),
    inputs=st.integers(1, 34),
    heads=st.integers(1, 4),
    masked=st.booleans(),
    seed=st.integers(0, 99),
)
@settings(max_examples=12, deadline=None, derandomize=True)
def test_matches_plain_on_random_shapes(lengths, widths, inputs, heads, masked, seed):
    compare(*case(lengths, widths, inputs, heads, masked, seed), widths, torch.float64)


@pytest.mark.parametrize("name", SHARED)
def test_shared_interactions_are_copies(name):
    check_shared_interactions(fused, name)


@pytest.mark.parametrize("name", SHARED)
def test_alike_pairs_are_evaluated_once(name):
    check_alike_pairs(fused, name)


def test_alike_pairs_without_any():
    tensors, pairs = case(*SHAPES["no pairs"])
    widths, types = SHAPES["no pairs"][1], by_type(pairs)
    found = evaluate(fused, tensors, pairs, widths, torch.float64, types)
    assert all(not value.any() for value in found.values())


def test_extreme_activations():
    tensors, pairs = case([30, 30], (40, 5, 6), 8, 2, masked=False)
    tensors[0] *= 1e3
    compare(tensors, pairs, (40, 5, 6), torch.float64)


def test_rows_with_only_masked_pairs_are_nan_as_in_plain():
    tensors, pairs = case([4, 5], (9, 3, 2), 3, 2)
    pairs.log_count[:4] = -torch.inf
    weights = PairWeights(*tensors[3:], (9, 3, 2))
    mixed, fresh, attention = fused(*tensors[:3], weights, pairs, Evaluations.of_pairs(pairs))
    assert bool(mixed[0].isnan().all())
    assert bool(attention[:4].isnan().all())
    assert bool(mixed[1].isfinite().all())
    assert bool(fresh.isfinite().all())


def test_same_bits_every_time():
    tensors, pairs = case([37, 80, 5], (33, 30, 17), 19, 3)
    for evaluations in (Evaluations.of_pairs(pairs), by_type(pairs)):
        fewer = [*tensors[:2], tensors[2][: len(evaluations.row)], *tensors[3:]]
        first, again = (
            evaluate(fused, fewer, pairs, (33, 30, 17), torch.float32, evaluations)
            for _ in range(2)
        )
        assert all(torch.equal(first[key], again[key]) for key in first)


def test_attention_and_logit_bias():
    tensors, pairs = case([4, 5], (9, 3, 2), 3, 2)
    leaves = [t.requires_grad_() for t in tensors]
    weights = PairWeights(*leaves[3:], (9, 3, 2))
    mixed, _, attention = fused(*leaves[:3], weights, pairs, Evaluations.of_pairs(pairs))
    assert not attention.requires_grad
    (gradient,) = torch.autograd.grad(mixed.sum(), leaves[-1:])
    assert torch.equal(gradient, torch.zeros_like(gradient))


@pytest.fixture
def bfloat16_products(monkeypatch):
    """Triton's interpreter multiplies the bits of bfloat16 as integers: give it their values."""
    if DEVICE == "cuda":
        return
    from triton.runtime.interpreter import InterpreterBuilder, TensorHandle

    plain = InterpreterBuilder.create_dot

    def values(tensor):
        bits = tensor.data.astype(np.uint32) << 16
        return TensorHandle(bits.view(np.float32), tl.float32)

    def create_dot(self, a, b, *rest):
        a, b = (values(t) if t.dtype.scalar == tl.bfloat16 else t for t in (a, b))
        return plain(self, a, b, *rest)

    monkeypatch.setattr(InterpreterBuilder, "create_dot", create_dot)


def test_autocast_multiplies_bfloat16_and_sums_float32(bfloat16_products):
    widths = (33, 30, 17)
    tensors, pairs = case([37, 80, 5], widths, 19, 3)
    tensors[3:4] = [tensors[3] / 5]
    expected = evaluate(pair_block, tensors, pairs, widths, torch.float64)
    with torch.autocast(DEVICE, torch.bfloat16):
        found = evaluate(fused, tensors, pairs, widths, torch.float32)
    assert found["fresh"].dtype == torch.bfloat16
    assert found["mixed"].dtype == found["attention"].dtype == torch.float32
    for key in expected:
        error = (found[key].double() - expected[key]).norm() / max(1e-3, expected[key].norm())
        assert error < 0.02, (key, float(error))
    with torch.autocast(DEVICE, torch.float16):
        half = evaluate(fused, tensors, pairs, widths, torch.float32)
    assert half["fresh"].dtype == torch.float32


def test_wrong_inputs_are_refused():
    tensors, pairs = case([4, 1, 6], (5, 3, 2), 4, 2)
    weights = PairWeights(*tensors[3:], (5, 3, 2))

    def run(project_i=tensors[0], interactions=tensors[2], evaluations=None, **changes):
        changed = dataclasses.replace(pairs, **changes)
        evaluations = evaluations or Evaluations.of_pairs(changed)
        fused(project_i, tensors[1], interactions, weights, changed, evaluations)

    with pytest.raises(TypeError, match="bfloat16"):
        run(interactions=tensors[2].half())
    check_shapes_and_types(run, pairs, tensors)


def batch():
    """Two random crystals of three and one site classes in float64."""
    lengths = torch.tensor([5, 4, 3, 2])
    offsets = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
    generator = torch.Generator().manual_seed(0)
    row = torch.repeat_interleave(torch.arange(4), lengths)
    column = torch.where(row < 3, torch.randint(0, 3, (14,), generator=generator), 3)
    return RaggedBatch(
        numbers=torch.tensor([8, 22, 38, 26]),
        oxidation=torch.tensor([-2.0, 4, 2, 0]).double(),
        site_weight=torch.tensor([3.0, 1, 1, 2]).double(),
        crystal=torch.tensor([0, 0, 0, 1]),
        sizes=torch.tensor([5.0, 2]).double(),
        row_offsets=offsets,
        pair_row=row,
        pair_column=column,
        pair_distance=torch.randint(1, 8, (14,), generator=generator).double(),
        pair_count=torch.randint(1, 9, (14,), generator=generator).double(),
        pair_type=torch.arange(14),
        type_first=torch.arange(14),
        geometry=torch.zeros(4, 0).double(),
    ).with_types()


@pytest.mark.parametrize("cutoff", [None, 5.0])
def test_the_model_takes_it(monkeypatch, cutoff):
    torch.manual_seed(0)
    model = SiteNet(ModelSettings(cutoff=cutoff)).double()
    results = []
    for path in (None, fused):
        monkeypatch.setattr(engine, "fast_path", lambda device, path=path: path)
        labels = model(batch())
        parameters = [p for p in model.parameters() if p.requires_grad]
        gradients = torch.autograd.grad(labels.sum(), parameters)
        results.append([labels.detach(), *gradients])
    for plain, with_it in zip(*results, strict=True):
        torch.testing.assert_close(with_it, plain, rtol=1e-9, atol=1e-11)


@pytest.fixture
def choice(monkeypatch, caplog):
    """Chooses anew, on a GPU (backend, compute capability); the path and what was logged."""
    caplog.set_level(logging.INFO, "sitenet")
    monkeypatch.delenv("SITENET_ENGINE", raising=False)

    def choose(*target):
        monkeypatch.setattr(triton.runtime.driver, "_active", Driver(*target))
        kernels.load_gpu.cache_clear()
        caplog.clear()
        path = kernels.fast_path(torch.device("cuda"))
        assert kernels.fast_path(torch.device("cuda")) is path
        assert len(caplog.records) == 1
        return path, caplog.text

    yield choose
    kernels.load_gpu.cache_clear()


def test_a_gpu_gets_the_triton_path(choice):
    path, text = choice("cuda", 90)
    assert path is pair_block_gpu.pair_block
    assert f"Triton {triton.__version__}, cuda 90" in text


@pytest.mark.parametrize("target", [("cuda", 75), ("hip", "gfx942")])
def test_other_gpus_get_the_plain_path(choice, monkeypatch, target):
    path, text = choice(*target)
    assert path is None
    assert "8.0" in text
    monkeypatch.setenv("SITENET_ENGINE", "compiled")
    with pytest.raises(RuntimeError, match=r"8\.0"):
        choice(*target)


def test_plain_on_request(choice, monkeypatch):
    monkeypatch.setenv("SITENET_ENGINE", "plain")
    path, text = choice("cuda", 90)
    assert path is None
    assert "SITENET_ENGINE=plain" in text


def test_without_triton_the_plain_path(choice, monkeypatch):
    monkeypatch.delattr(kernels, "pair_block_gpu")
    monkeypatch.delitem(sys.modules, "sitenet.model.kernels.pair_block_gpu")
    monkeypatch.setitem(sys.modules, "triton", None)
    path, text = choice("cuda", 90)
    assert path is None
    assert "triton" in text


@pytest.mark.skipif(DEVICE == "cuda", reason="the other tests compile and run")
def test_compiles_for_nvidia_gpus(tmp_path):
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    environment |= {"PYTHONPATH": os.pathsep.join(sys.path), "TRITON_CACHE_DIR": str(tmp_path)}
    script = Path(__file__).parents[1] / "helpers" / "triton_targets.py"
    done = subprocess.run(
        [sys.executable, script], env=environment, capture_output=True, text=True
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [line.split() for line in done.stdout.splitlines()]
    assert {name for name, _ in lines} == {"_evaluate", "_rows", "evaluate", "mixing", "segments"}
    kernels_of_a_target = 6 + 6  # for an evaluation of each pair, and of each type
    assert len(lines) == kernels_of_a_target * len(TARGETS)
    assert all(int(size) > 0 for _, size in lines)
