"""Hidden elements: which sites they are, that nothing tells them, and that merging stays exact."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from infomax_examples import MODEL, batches

from sitenet.model.pretext import Pretext, hidden_rows, without
from sitenet.model.sitenet import SiteNet
from sitenet.options.model import ModelSettings

NAMES = ["rutile", "perovskite", "rocksalt"]
EMBEDDED = ModelSettings.from_dict({**MODEL.to_dict(), "embedding_size": 5, "blocks": 2,
                                    "interaction_features": "distance_coulomb"})  # fmt: skip


def pretext(settings: ModelSettings = MODEL, targets: int = 3) -> Pretext:
    torch.manual_seed(0)
    return Pretext(SiteNet(settings), targets).double()


def test_the_kth_of_the_elements_is_hidden_on_all_of_its_sites():
    batch, apart = batches(NAMES)
    for one in (batch, apart):
        elements = [one.numbers[one.crystal == k].unique().tolist() for k in range(3)]
        for draw in (0.0, 0.3, 0.5, 0.99, 1.0):
            hidden = hidden_rows(one, torch.tensor([draw, -1.0, draw]))
            for k in range(3):
                mine = one.crystal == k
                found = one.numbers[mine & hidden].unique().tolist()
                place = min(int(draw * len(elements[k])), len(elements[k]) - 1)
                assert found == ([] if k == 1 else [elements[k][place]])
                if found:
                    assert (one.numbers[mine & ~hidden] != found[0]).all()


@pytest.mark.parametrize("settings", [MODEL, EMBEDDED], ids=["properties", "embedding"])
def test_nothing_tells_the_hidden_element(settings: ModelSettings):
    batch, _ = batches(NAMES)
    encoder = pretext(settings).encoder
    hidden = hidden_rows(batch, torch.full((3,), 0.4))
    other = replace(batch, numbers=torch.where(hidden, batch.numbers + 1, batch.numbers),
                    oxidation=torch.where(hidden, 0.5, batch.oxidation))  # fmt: skip
    torch.testing.assert_close(
        encoder.sites(without(batch, hidden)), encoder.sites(without(other, hidden)), rtol=0, atol=0
    )
    assert (encoder.sites(batch) - encoder.sites(other)).abs().max() > 1e-3


@pytest.mark.parametrize("settings", [MODEL, EMBEDDED], ids=["properties", "embedding"])
def test_losses_of_merged_sites_are_those_of_all_sites(settings: ModelSettings):
    model = pretext(settings)
    draws = torch.tensor([0.1, 0.7, -1.0])
    targets = torch.randn(3, 3, dtype=torch.float64)
    merged, apart = (model(one, targets, draws) for one in batches(NAMES))
    for one, other in zip(merged, apart, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)
    assert merged[1][2] == 0
    assert (merged[1][:2] > 0.1).all()


def test_the_error_is_over_the_numbers_that_there_are():
    model, (batch, _) = pretext(), batches(NAMES)
    targets = torch.tensor([[1.0, np.nan, -2], [np.nan] * 3, [0.0, 0, 0]], dtype=torch.float64)
    errors, _ = model(batch, targets, torch.full((3,), -1.0))
    predicted = model.computed(model.encoder.crystals(batch))
    off = (predicted.detach() - targets).abs()
    expected = [(off[0, 0] + off[0, 2]).item() / 2, 0, off[2].mean().item()]
    assert errors.tolist() == pytest.approx(expected)
    errors.sum().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)
