"""From crystals to predictions: every crystal once, in the store's order, streamed or not."""

from pathlib import Path

import numpy as np
import pytest
import torch
from random_shards import write_shard

from sitenet.model.inference import (
    batches_in_order,
    embed,
    embed_in_batches,
    infer,
    predict,
    predict_and_keep,
)
from sitenet.model.sitenet import SiteNet
from sitenet.options.model import ModelSettings
from sitenet.shards.open_store import Store
from sitenet.shards.store import CrystalStore
from sitenet.shards.streaming import StreamedStore

SETTINGS = ModelSettings(
    embedding_size=4,
    site_features_per_head=4,
    interaction_features_per_head=2,
    heads=2,
    attention_layers=(8,),
    pre_pool_layers=(8,),
    post_pool_layers=(5,),
)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """70 crystals of 1 to 7 sites in two shards of small row groups."""
    folder = tmp_path_factory.mktemp("shards")
    paths = [folder / "a.parquet", folder / "b.parquet"]
    for k, path in enumerate(paths):
        write_shard(path, {f"{path.stem}{n}": 1 + (3 * n + k) % 7 for n in range(35)}, group=6)
    return paths


@pytest.fixture(params=["in memory", "streamed"])
def store(request: pytest.FixtureRequest, shards: list[Path]) -> Store:
    if request.param == "in memory":
        return CrystalStore.from_shards(shards)
    streamed = StreamedStore(shards, None, 2**15)
    assert len(streamed.windows(np.arange(len(streamed)), None)) > 3
    return streamed


@pytest.fixture(scope="module")
def model() -> SiteNet:
    torch.manual_seed(0)
    return SiteNet(SETTINGS)


def one_by_one(model: SiteNet, shards: list[Path], name: str) -> np.ndarray:
    """Each crystal alone, by the method of the model."""
    whole = CrystalStore.from_shards(shards)
    with torch.inference_mode():
        found = [
            getattr(model.eval(), name)(whole.batch(torch.tensor([k]))) for k in range(len(whole))
        ]
    return torch.cat(found).numpy()


def test_predictions_are_those_of_each_crystal_alone(store, shards, model) -> None:
    expected = one_by_one(model, shards, "forward")
    found = predict(model, store, batch_sites=20)
    assert found.dtype == np.float32
    assert expected.std() > 0.01
    np.testing.assert_allclose(found, expected, atol=1e-5)
    some = np.arange(3, 70, 4)
    np.testing.assert_allclose(predict(model, store, 20, some), expected[some], atol=1e-5)


def test_vectors_are_those_of_each_crystal_alone(store, shards, model) -> None:
    np.testing.assert_allclose(
        embed(model, store), one_by_one(model, shards, "crystals"), atol=1e-5
    )
    local = embed(model, store, local=True)
    assert local.shape == (70, model.local_width)
    whole = CrystalStore.from_shards(shards)
    for k in (0, 33, 34, 69):
        batch = whole.batch(torch.tensor([k]))
        with torch.inference_mode():
            sites = model.sites(batch)
        mean = (sites * batch.site_weight[:, None]).sum(0) / batch.site_weight.sum()
        np.testing.assert_allclose(local[k], mean, atol=1e-5)
    assert sum(map(len, embed_in_batches(model, store))) == 70


def test_batches_have_the_sites_asked_for_on_average(store) -> None:
    sizes = [int(batch.sizes.sum()) for batch in batches_in_order(store, 28)]
    assert sum(sizes) == int(store.sites.sum())
    assert 10 < np.mean(sizes[:-1]) < 40


def test_a_model_in_training_is_evaluated_and_the_caller_keeps_its_gradients(store, model) -> None:
    rows = infer(model.train(), model, store, 20)
    next(rows)
    assert not model.training
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()


def test_vectors_are_kept_on_the_way_to_predictions(store: Store, model: SiteNet):
    kept = np.array([0, 7, 8, 31, 69])
    predictions, vectors = predict_and_keep(model, store, 40, kept)
    np.testing.assert_array_equal(predictions, predict(model, store, 40))
    np.testing.assert_allclose(vectors, embed(model, store)[kept], rtol=1e-4, atol=1e-6)
