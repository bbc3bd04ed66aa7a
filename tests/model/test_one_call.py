"""Several layers in one compiled call, against the same layers one by one, and its errors."""

from dataclasses import replace

import pytest
import torch
from example_batch import example_batch

from sitenet.model import kernels
from sitenet.model import sitenet as engine
from sitenet.model.evaluations import Evaluations, PairIndex
from sitenet.model.kernels.attention import attention_block
from sitenet.model.kernels.inputs import first_features
from sitenet.model.kernels.pooled_layers import pooled_layers
from sitenet.model.layers import LMN
from sitenet.model.sitenet import SiteNet
from sitenet.options.model import ModelSettings
from sitenet.shards.batch import RaggedBatch

MODEL = ModelSettings(
    embedding_size=5,
    site_features_per_head=11,
    interaction_features_per_head=9,
    heads=2,
    attention_layers=(37,),
    pre_pool_layers=(18,),
    post_pool_layers=(20, 17),
)
CHANGES = [
    {},
    {"embedding_size": 0, "interaction_features": "distance", "head_layers": (6,)},
    {"blocks": 3, "pre_pool_layers": (), "local_size": 21},
    {"blocks": 1, "pre_pool_layers": (), "post_pool_layers": ()},
    {"cutoff": 4.037},
    {"pooling": "self_attention"},
]


@pytest.fixture(scope="module", autouse=True)
def compiled():
    """Skips without a compiler."""
    kernels.load.cache_clear()
    if kernels.load() is None:
        pytest.skip("no C++ compiler")


@pytest.fixture(scope="module")
def batch() -> RaggedBatch:
    return example_batch()


def network(dtype=torch.float64, **changes) -> SiteNet:
    """A new one, with rows of the embedding that are too long and norms that are not 1 and 0."""
    torch.manual_seed(0)
    model = SiteNet(replace(MODEL, **changes)).to(dtype)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return model


def outcome(model: SiteNet, batch: RaggedBatch) -> dict[str, torch.Tensor]:
    """Labels, vectors, attention, the embedding afterwards, gradients of a nonlinear function."""
    attention: list[torch.Tensor] = []
    vectors = model.crystals(batch, attention)
    labels = model(batch)
    loss = labels.sin().sum() + vectors.cos().sum()
    found = {"labels": labels, "vectors": vectors, "attention": torch.cat(attention)}
    used = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)
    gradients = dict(zip((name for name, _ in model.named_parameters()), used, strict=True))
    found |= {name: g for name, g in gradients.items() if g is not None}
    if model.features.embedding is not None:
        found["table"] = model.features.embedding.weight.clone()
    return {name: tensor.detach() for name, tensor in found.items()}


@pytest.mark.parametrize("changes", CHANGES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 3e-5)])
def test_is_the_layers_one_by_one(monkeypatch, threads, batch, changes, dtype, tolerance):
    # float32: the same numbers in both precisions
    model = network(torch.float32, **changes)
    found = outcome(network(torch.float32, **changes).to(dtype), batch.cast(dtype))
    monkeypatch.setattr(engine, "in_one_call", lambda *_: False)
    monkeypatch.setattr(engine, "fast_path", lambda device: None)
    expected = outcome(model.double(), batch.cast(torch.float64))
    assert found.keys() == expected.keys()
    for name, reference in expected.items():
        scale = max(1.0, float(reference.abs().max()))
        error = float((found[name].double() - reference).abs().max())
        assert error <= tolerance * scale, name


@pytest.mark.parametrize("called", ["attention_block", "first_features", "pooled_layers"])
def test_the_engine_takes_it(monkeypatch, batch, called):
    def refused(*_):
        raise AssertionError(called)

    monkeypatch.setattr(engine, called, refused)
    with pytest.raises(AssertionError, match=called):
        network()(batch.cast(torch.float64))


def test_same_bits_every_time(threads, batch):
    first = outcome(network(torch.float32), batch)
    again = outcome(network(torch.float32), batch)
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_distances_still_have_gradients(batch):
    batch = batch.cast(torch.float64)
    distance = batch.pair_distance.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(
        network()(replace(batch, pair_distance=distance)).sum(), distance
    )
    assert bool((gradient != 0).any())


def parts(batch: RaggedBatch):
    """A model, pairs, evaluations, sites and interactions for its first block."""
    model = network()
    pairs = PairIndex(batch.row_offsets, batch.pair_row, batch.pair_column, batch.pair_count.log())
    of = Evaluations.of_types(pairs, batch.pair_type, batch.type_first)
    sites = torch.randn(len(batch.numbers), 22, dtype=torch.float64)
    return model, pairs, of, sites, torch.randn(len(of.row), 18, dtype=torch.float64)


def test_wrong_inputs_of_the_attention_block_are_refused(batch):
    model, pairs, of, sites, interactions = parts(batch.cast(torch.float64))
    block = model.blocks[0]
    attention_block(block, sites, interactions, pairs, of)
    for wrong in ((sites.float(), interactions), (sites, interactions.float())):
        with pytest.raises(TypeError, match="float32"):
            attention_block(block, *wrong, pairs, of)
    for wrong in ((sites[1:], interactions), (sites, interactions[1:]),
                  (sites[:, 1:], interactions), (sites, interactions[:, 1:])):  # fmt: skip
        with pytest.raises(ValueError, match="shapes"):
            attention_block(block, *wrong, pairs, of)
    column = pairs.column.clone()
    column[3] = len(sites)
    with pytest.raises(IndexError):
        attention_block(block, sites, interactions, replace(pairs, column=column),
                        replace(of, column=column[batch.type_first] * 0 - 1))  # fmt: skip


def test_wrong_inputs_of_the_first_features_are_refused(batch):
    model, _, of, *_ = parts(batch)
    layers = (model.site_input, model.interaction_input)

    def run(numbers=batch.numbers, dtype=torch.float64, first=batch.type_first):
        site = numbers, batch.oxidation.to(dtype)
        evaluations, distance = (of.row, of.column, first), batch.pair_distance.to(dtype)
        first_features(model.features, "distance_coulomb", layers, site, evaluations, distance)

    run()
    with pytest.raises(TypeError, match="float32"):
        run(dtype=torch.float32)
    with pytest.raises(TypeError, match="int64"):
        run(numbers=batch.numbers.int())
    with pytest.raises(ValueError, match="shapes"):
        run(numbers=batch.numbers[1:])
    for wrong in (batch.numbers + 200, batch.numbers - 200):
        with pytest.raises(IndexError):
            run(numbers=wrong)
    with pytest.raises(IndexError):
        run(first=batch.type_first + len(batch.pair_row))


def test_wrong_inputs_of_pooled_layers_are_refused():
    x, weight = torch.randn(5, 4), torch.ones(5)
    group, total, layer = (
        torch.tensor([0, 0, 1, 1, 1]),
        torch.tensor([2.0, 3.0]),
        LMN(4, 3, "layer"),
    )
    assert pooled_layers(x, [layer], [], weight, group, total).shape == (2, 3)
    with pytest.raises(TypeError, match="float32"):
        pooled_layers(x.double(), [layer], [], weight, group, total)
    with pytest.raises(TypeError, match="int64"):
        pooled_layers(x, [layer], [], weight, group.int(), total)
    for wrong in ((x[:, 1:], weight), (x, weight[1:])):
        with pytest.raises(ValueError, match="shapes"):
            pooled_layers(wrong[0], [layer], [], wrong[1], group, total)
    for wrong in (group + 1, group - 1):
        with pytest.raises(IndexError):
            pooled_layers(x, [layer], [], weight, wrong, total)
