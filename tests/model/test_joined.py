"""A network as one node of autograd: same digits and gradients as its parts one by one."""

import gc
import weakref
from dataclasses import replace

import pytest
import torch
from example_batch import example_batch

from sitenet.model import kernels
from sitenet.model.flat import FlatParameters
from sitenet.model.kernels.network import JoinedNetwork
from sitenet.model.sitenet import SiteNet
from sitenet.options.model import ModelSettings
from sitenet.shards.batch import RaggedBatch

MODEL = ModelSettings(embedding_size=5, site_features_per_head=11, interaction_features_per_head=9,
                      heads=2, attention_layers=(37,), pre_pool_layers=(18,),
                      post_pool_layers=(20, 17))  # fmt: skip
JOINED = [
    {},
    {"embedding_size": 0, "interaction_features": "distance", "head_layers": (6,)},
    {"blocks": 3, "pre_pool_layers": (), "local_size": 21},
    {"blocks": 1, "post_pool_layers": (), "output": "nonnegative"},
    {"auxiliary": 2, "composition_reference": True},
]
APART = [{"cutoff": 4.037}, {"pooling": "max"}, {"residual": True}, {"filtered_sum": 4},
         {"distance_basis": 3}, {"norm": "none"}, {"attention_layers": (7, 8)}]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def compiled():
    """Skips without a C++ compiler."""
    kernels.load.cache_clear()
    if kernels.load() is None:
        pytest.skip("no C++ compiler")


@pytest.fixture(scope="module")
def batch() -> RaggedBatch:
    return example_batch()


def network(dtype: torch.dtype = torch.float32, **changes: object) -> SiteNet:
    """A new one with norms that are not 1 and 0."""
    torch.manual_seed(0)
    model = SiteNet(replace(MODEL, **changes)).to(dtype)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return model


def outcome(model: SiteNet, batch: RaggedBatch, joined: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Labels, and the gradient of a function of labels and vectors in all parameters."""
    flat = FlatParameters(model)
    model.join(flat if joined else None)
    assert (model._joined is not None) == joined
    vectors = model.crystals(batch)
    labels = model.head(vectors, batch)
    loss = labels.sin().sum() + vectors.cos().sum()
    if model.settings.auxiliary:
        loss = loss + model.auxiliary_decoder(vectors).square().sum()
    flat.differentiate(loss)
    return labels.detach(), flat.gradient


@pytest.mark.parametrize("changes", JOINED)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_same_digits_as_one_by_one(threads, batch, changes, dtype):
    labels, gradient = outcome(network(dtype, **changes), batch.cast(dtype), joined=True)
    expected, by_parts = outcome(network(dtype, **changes), batch.cast(dtype), joined=False)
    assert torch.equal(labels, expected)
    assert bool((gradient != 0).any())
    torch.testing.assert_close(gradient, by_parts, rtol=1e-6, atol=1e-6 * float(by_parts.norm()))


def test_parameters_that_are_used_twice_have_both_gradients(batch):
    both = []
    for joined in (True, False):
        model = network()
        flat = FlatParameters(model)
        model.join(flat if joined else None)
        flat.differentiate(model(batch).sum() + model.sites(batch).sin().sum() + model(batch).sum())
        both.append(flat.gradient)
    torch.testing.assert_close(*both, rtol=1e-5, atol=1e-6 * float(both[1].norm()))


@pytest.mark.parametrize("changes", APART)
def test_other_networks_are_trained_as_before(batch, changes):
    model = network(**changes)
    flat = FlatParameters(model)
    model.join(flat)
    assert model._joined is None
    flat.differentiate(model(batch).sum())
    assert bool((flat.gradient != 0).any())


def test_the_node_is_used_in_training_only(monkeypatch, batch):
    def refused(*_):
        raise AssertionError("joined")

    model = network()
    flat = FlatParameters(model)
    model.join(flat)
    monkeypatch.setattr(JoinedNetwork, "__call__", refused)
    with pytest.raises(AssertionError, match="joined"):
        model(batch)
    with torch.no_grad():
        model(batch)
    model.crystals(batch, [])  # attention is asked for
    model.join(None)
    model(batch)


def test_distances_still_have_gradients(batch):
    model = network()
    model.join(FlatParameters(model))
    distance = batch.pair_distance.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(model(replace(batch, pair_distance=distance)).sum(), distance)
    assert bool((gradient != 0).any())


def test_a_step_leaves_no_memory(batch):
    model = network()
    model.join(FlatParameters(model))
    gc.disable()
    try:
        vectors = model.crystals(batch)
        left = weakref.ref(vectors)
        del vectors
        assert left() is None
    finally:
        gc.enable()
