"""All parameters as one tensor: views, gradients, and memory of their own again."""

import pytest
import torch
from torch import nn

from sitenet.model.flat import FlatParameters


def test_parameters_are_views_and_keep_their_values() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 5))
    model[1].bias.requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    flat = FlatParameters(model)
    assert all(torch.equal(model.state_dict()[name], before[name]) for name in before)
    with torch.no_grad():
        flat.values.fill_(7.0)
    assert (model[0].weight == 7).all()
    assert (model[1].weight == 7).all()
    assert torch.equal(model[1].bias, before["1.bias"])
    flat.release()
    with torch.no_grad():
        flat.values.fill_(8.0)
    assert (model[0].weight == 7).all()


def test_gradients_are_those_of_the_last_step_alone() -> None:
    model = nn.ModuleList([nn.Linear(3, 2, bias=False), nn.Linear(3, 4, bias=False)])
    flat = FlatParameters(model)
    x = torch.ones(1, 3)
    flat.differentiate(model[0](x).sum() + 2 * model[1](x).sum())
    assert flat.gradient.sum() == 6 + 2 * 12
    assert all(part.grad is None for part in model.parameters())
    flat.differentiate(model[0](x).sum())
    assert flat.gradient.sum() == 6  # nothing of the second layer's last gradient
    assert flat.values.grad is flat.gradient


@pytest.mark.parametrize("length", [0.0, 0.5, 2.0])
def test_long_gradients_are_clipped_as_in_pytorch(length: float) -> None:
    model, x = nn.Linear(3, 2), torch.ones(1, 3)
    flat = FlatParameters(model)
    flat.differentiate(length / 8**0.5 * model(x).sum())
    expected = nn.Parameter(flat.values.detach().clone())
    expected.grad = flat.gradient.clone()
    nn.utils.clip_grad_norm_([expected], 1.0)
    flat.clip(1.0)
    torch.testing.assert_close(flat.gradient, expected.grad, rtol=1e-6, atol=0)
    assert float(flat.gradient.norm()) == pytest.approx(min(length, 1.0), rel=1e-5)
