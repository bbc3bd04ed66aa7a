"""Products of bfloat16 in the pair networks on the CPU: their errors, and where they are not."""

import logging
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from example_crystals import EXAMPLES
from pair_block_cases import SHAPES, SHARED, case, evaluate, shared_interactions

from sitenet.crystal.distances import atom_distances
from sitenet.crystal.featurise import featurise
from sitenet.model import kernels
from sitenet.model.dense import DenseSiteNet
from sitenet.model.evaluations import Evaluations
from sitenet.model.flat import FlatParameters
from sitenet.model.kernels import attention, pair_block_cpu
from sitenet.model.kernels.compiled import LOW, Functions
from sitenet.model.pair_block import pair_block
from sitenet.model.sitenet import SiteNet
from sitenet.options.features import FeatureSettings
from sitenet.options.model import ModelSettings
from sitenet.shards.batch import DenseBatch, RaggedBatch, dense_batch, ragged_batch

ROUNDED = (2, 3)
"""Interactions and weights among the tensors of a case: what forward rounds."""


@pytest.fixture(scope="module", autouse=True)
def compiled():
    """The compiled block; skips where it has no such products."""
    kernels.load.cache_clear()
    block = kernels.load()
    if block is None or not pair_block_cpu.functions.multiply(LOW):
        pytest.skip("no products of bfloat16: compiler or processor")
    assert attention.functions.multiply(LOW)
    return block


def low():
    return torch.autocast("cpu", torch.bfloat16)


def example(name: str, rounded: bool):
    """Tensors that float32 and, if `rounded`, bfloat16 can hold; activations of order one."""
    tensors, pairs = case(*SHAPES[name])
    tensors[3] = tensors[3] / max(1, tensors[3].shape[1]) ** 0.5
    tensors = [t.float() for t in tensors]
    if rounded:
        for k in ROUNDED:
            tensors[k] = tensors[k].bfloat16().float()
    return [t.double() for t in tensors], replace(pairs, log_count=pairs.log_count.float().double())


def error(found: torch.Tensor, reference: torch.Tensor) -> float:
    """Norm of the difference beside that of the reference, or beside 1 if that is small."""
    return float((found.double() - reference).norm() / reference.norm().clamp(min=1.0))


@pytest.mark.parametrize("name", SHAPES)
def test_errors_are_those_of_rounded_factors(compiled, threads, name):
    widths = SHAPES[name][1]
    tensors, pairs = example(name, rounded=True)
    expected = evaluate(pair_block, tensors, pairs, widths, torch.float64)
    with low():
        found = evaluate(compiled, tensors, pairs, widths, torch.float32)
    for key, reference in expected.items():
        assert found[key].dtype == torch.float32
        rounded = key in ("d interactions", "d weight")  # sums of gradients that are rounded
        assert error(found[key], reference) < (4e-3 if rounded else 2e-5), key


@pytest.mark.parametrize("name", ["table 1", "last block", "odd widths", "single pairs"])
def test_only_factors_are_rounded_in_both_passes_alike(compiled, name):
    widths = SHAPES[name][1]
    tensors, pairs = example(name, rounded=False)
    again = [t.bfloat16().double() if k in ROUNDED else t for k, t in enumerate(tensors)]
    exact = evaluate(compiled, tensors, pairs, widths, torch.float32)
    with low():
        found = evaluate(compiled, tensors, pairs, widths, torch.float32)
        rounded = evaluate(compiled, again, pairs, widths, torch.float32)
    assert all(torch.equal(found[key], rounded[key]) for key in found)
    assert not torch.equal(found["mixed"], exact["mixed"])
    assert not torch.equal(found["d weight"], exact["d weight"])
    expected = evaluate(pair_block, tensors, pairs, widths, torch.float64)
    assert max(error(found[key], expected[key]) for key in found) < 0.01


@pytest.mark.parametrize("name", SHARED)
def test_shared_interactions_are_copies(compiled, threads, name):
    copied, shared, source, pairs = shared_interactions(name)
    widths = SHAPES[name][1]
    reading = Evaluations.of_pairs(pairs, source)
    with low():
        expected = evaluate(compiled, copied, pairs, widths, torch.float32)
        found = evaluate(compiled, shared, pairs, widths, torch.float32, reading)
    summed = torch.zeros_like(shared[2]).index_add(
        0, source, expected.pop("d interactions").double()
    )
    torch.testing.assert_close(found.pop("d interactions").double(), summed, rtol=1e-5, atol=1e-5)
    assert all(torch.equal(found[key], expected[key]) for key in found)


def network(kind: type, **changes) -> torch.nn.Module:
    """That of Table 1 with weights that are not those at the start, and changed settings."""
    torch.manual_seed(0)
    model = kind(replace(ModelSettings(), **changes))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.02 * torch.randn_like(parameter)
    return model


@pytest.fixture(scope="module")
def batches() -> tuple[RaggedBatch, DenseBatch]:
    """The example crystals, merged in float32 and as every pair in float64."""
    crystals = [featurise(c, FeatureSettings(n_atoms=30)) for c in EXAMPLES.values()]
    merged = ragged_batch([(c.numbers, c.oxidation, c) for c in crystals])
    pairs = [(c.numbers, c.oxidation, atom_distances(c.lattice, c.frac, c.supercell))
             for c in crystals]  # fmt: skip
    return merged.cast(torch.float32), dense_batch(pairs, torch.float64)


def labels_and_gradient(model, batch) -> tuple[torch.Tensor, torch.Tensor]:
    labels = model(batch)
    found = torch.autograd.grad(labels.sin().sum(), list(model.parameters()), allow_unused=True)
    gradients = [
        torch.zeros_like(p) if g is None else g
        for p, g in zip(model.parameters(), found, strict=True)
    ]
    return labels.detach(), torch.cat([g.flatten() for g in gradients])


CHANGES = [  # to the settings, and the largest errors of labels and gradients
    ({}, 0.01, 0.03),
    ({"blocks": 3}, 0.01, 0.03),
    ({"cutoff": 4.037}, 0.01, 0.03),
    ({"pooling": "self_attention", "head_layers": (6,)}, 0.01, 0.03),
    ({"filtered_sum": 5, "distance_basis": 6}, 0.01, 0.03),
    ({"attention_layers": (1200,)}, 0.01, 0.03),  # too large for the compiled layers
    ({"norm": "batch"}, 0.05, 0.1),  # the plain path, where PyTorch rounds all factors and results
]


@pytest.mark.parametrize(("changes", "of_labels", "of_gradients"), CHANGES)
def test_labels_and_gradients_are_those_of_the_dense_model(
    batches, changes, of_labels, of_gradients
):
    merged, every_pair = batches
    with low():
        labels, gradient = labels_and_gradient(network(SiteNet, **changes), merged)
    assert labels.dtype == gradient.dtype == torch.float32
    exact = labels_and_gradient(network(DenseSiteNet, **changes).double(), every_pair)
    assert 0 < error(labels, exact[0]) < of_labels
    assert 0 < error(gradient, exact[1]) < of_gradients


@pytest.mark.parametrize("joined", [True, False])
def test_a_training_takes_them(batches, joined):
    model = network(SiteNet)
    parameters = FlatParameters(model)
    model.join(parameters if joined else None)
    gradients = []
    for context in (nullcontext(), low(), low()):
        with context:
            loss = model(batches[0]).abs().mean()
        parameters.differentiate(loss)
        gradients.append(parameters.gradient.clone())
    exact, found, again = gradients
    assert 0 < error(found, exact.double()) < 0.03
    assert torch.equal(found, again)


def test_other_types_are_as_they_were(compiled):
    widths = SHAPES["odd widths"][1]
    tensors, pairs = example("odd widths", rounded=False)
    expected = evaluate(compiled, tensors, pairs, widths, torch.float64)
    with low():
        found = evaluate(compiled, tensors, pairs, widths, torch.float64)
    assert all(torch.equal(found[key], expected[key]) for key in expected)
    cpu = torch.device("cpu")
    with torch.autocast("cpu", torch.float16):
        assert kernels.fast_path(cpu) is None
    assert kernels.fast_path(cpu) is compiled


@pytest.mark.parametrize("there", [True, False])
def test_the_log_says_what_is_multiplied(compiled, monkeypatch, caplog, there):
    caplog.set_level(logging.INFO, "sitenet")
    monkeypatch.setattr(kernels.log, "propagate", True)
    monkeypatch.setattr(Functions, "multiply", lambda functions, dtype: there)
    kernels.load_low.cache_clear()
    widths = SHAPES["odd widths"][1]
    tensors, pairs = example("odd widths", rounded=False)
    exact = evaluate(compiled, tensors, pairs, widths, torch.float32)
    with low():
        for _ in range(2):
            assert kernels.fast_path(torch.device("cpu")) is compiled
        found = evaluate(compiled, tensors, pairs, widths, torch.float32)
    kernels.load_low.cache_clear()
    assert len(caplog.records) == 1
    assert ("products of bfloat16, everything else float32" in caplog.text) == there
    assert ("float32, since processor or compiler" in caplog.text) != there
    assert torch.equal(found["mixed"], exact["mixed"]) != there
