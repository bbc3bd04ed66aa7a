"""Padded batches: predictions and gradients of the batch's own crystals do not change."""

from dataclasses import replace

import pytest
import torch
from example_batch import example_batch

from sitenet.model import kernels
from sitenet.model import sitenet as engine
from sitenet.model.sitenet import SiteNet
from sitenet.options.model import ModelSettings
from sitenet.shards.batch import RaggedBatch
from sitenet.shards.padding import Capacity, padded

MODEL = ModelSettings(
    embedding_size=5,
    site_features_per_head=4,
    interaction_features_per_head=3,
    heads=2,
    attention_layers=(9,),
    pre_pool_layers=(8,),
    post_pool_layers=(8, 7),
)


@pytest.fixture(scope="module")
def batch() -> RaggedBatch:
    return example_batch()


def larger(batch: RaggedBatch, rows: int, pairs: int, crystals: int, types: int = 4) -> Capacity:
    """Room for so much more."""
    return Capacity(len(batch.numbers) + rows, len(batch.pair_row) + pairs,
                    len(batch.sizes) + crystals, len(batch.type_first) + types)  # fmt: skip


def outcome(model: SiteNet, batch: RaggedBatch, crystals: int) -> list[torch.Tensor]:
    """Labels of the first crystals, and the gradients of a nonlinear function of these alone."""
    labels = model(batch)[:crystals]
    parameters = [p for p in model.parameters() if p.requires_grad]
    return [labels.detach(), *torch.autograd.grad((labels * labels.cos()).sum(), parameters)]


def block(name: str):
    """The pair block of that name; skips where it cannot be had."""
    if name == "plain":
        return None
    if name == "compiled":
        kernels.load.cache_clear()
        return kernels.load() or pytest.skip("no C++ compiler")
    pytest.importorskip("triton", reason="Triton is not installed")
    if torch.cuda.is_available():
        pytest.skip("Triton's interpreter is for machines without a GPU")
    from sitenet.model.kernels import pair_block_gpu

    return pair_block_gpu.pair_block


@pytest.mark.parametrize("pooling", ["mean", "max", "self_attention"])
@pytest.mark.parametrize("room", [(1, 0, 1, 0), (1, 7, 1), (40, 0, 3), (13, 50, 9), (6, 1, 6)])
def test_padding_changes_nothing_for_the_batchs_own_crystals(monkeypatch, batch, pooling, room):
    monkeypatch.setattr(engine, "fast_path", lambda device: None)
    torch.manual_seed(0)
    model = SiteNet(replace(MODEL, pooling=pooling)).double()
    batch = batch.cast(torch.float64)
    more = padded(batch, larger(batch, *room))
    for found, expected in zip(
        outcome(model, more, len(batch.sizes)), outcome(model, batch, len(batch.sizes)), strict=True
    ):
        torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", ["plain", "compiled", "triton"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-11), (torch.float32, 2e-5)])
def test_every_pair_block_takes_it(monkeypatch, batch, name, dtype, tolerance):
    chosen = block(name)
    monkeypatch.setattr(engine, "fast_path", lambda device: chosen)
    torch.manual_seed(0)
    model = SiteNet(MODEL).to(dtype)
    batch = batch.cast(dtype)
    more = padded(batch, larger(batch, 12, 31, 4, 40))
    for found, expected in zip(
        outcome(model, more, len(batch.sizes)), outcome(model, batch, len(batch.sizes)), strict=True
    ):
        assert float((found - expected).abs().max()) <= tolerance * max(1, expected.abs().max())


def test_the_shape_is_the_capacity_and_rows_stay_short(batch):
    capacity = larger(batch, 10, 95, 3)
    more = padded(batch, capacity)
    shape = (more.numbers, more.pair_row, more.sizes, more.type_first)
    assert tuple(map(len, shape)) == capacity
    lengths = more.row_offsets.diff()
    assert torch.equal(torch.repeat_interleave(torch.arange(capacity.rows), lengths), more.pair_row)
    assert set(lengths[-10:].tolist()) == {9, 10}
    assert torch.equal(more.pair_column[-95:], more.pair_row[-95:])
    assert torch.bincount(more.crystal).tolist()[-3:] == [4, 3, 3]


@pytest.mark.parametrize("room", [(-1, 5, 1), (5, -1, 1), (5, 5, 0), (2, 5, 3), (5, 5, 1, 0),
                                  (5, 0, 1, -1)])  # fmt: skip
def test_what_does_not_fit_is_refused(batch, room):
    capacity = larger(batch, *room)
    assert not capacity.holds(batch)
    with pytest.raises(ValueError, match="does not fit"):
        padded(batch, capacity)
