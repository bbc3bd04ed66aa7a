"""The compiled dense layer (linear, Mish, layer norm) against PyTorch's, and its errors."""

import resource

import pytest
import torch
import torch.nn.functional as F

from sitenet.model import kernels
from sitenet.model.kernels.dense import LARGEST, dense, linear
from sitenet.model.layers import LMN


@pytest.fixture(scope="module", autouse=True)
def compiled():
    """Skips without a compiler."""
    kernels.load.cache_clear()
    if kernels.load() is None:
        pytest.skip("no C++ compiler")


def case(rows, inputs, channels, dtype=torch.float64):
    """x, weight, bias, scale and shift, at random."""
    generator = torch.Generator().manual_seed(rows)
    shapes = ((rows, inputs), (channels, inputs), (channels,), (channels,), (channels,))
    return [torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)
            for shape in shapes]  # fmt: skip


def plain(x, weight, bias, scale, shift):
    """The same in PyTorch."""
    return F.layer_norm(F.mish(F.linear(x, weight, bias)), bias.shape, scale, shift)


def evaluated(function, tensors):
    """Result and gradients of a nonlinear function of it."""
    leaves = [t.clone().requires_grad_() for t in tensors]
    result = function(*leaves)
    return [result.detach(), *torch.autograd.grad(result.sin().sum(), leaves)]


@pytest.mark.parametrize("shape", [(100, 20, 48), (200, 2, 33), (49, 37, 70), (1, 1, 2), (0, 3, 5)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_results_are_those_of_pytorch(threads, shape, dtype, tolerance):
    tensors = case(*shape, dtype)
    found = evaluated(dense, tensors)
    expected = evaluated(plain, [t.double() for t in tensors])
    for mine, theirs in zip(found, expected, strict=True):
        assert mine.dtype == dtype
        scale = max(1.0, float(theirs.abs().max())) if theirs.numel() else 1.0
        torch.testing.assert_close(mine.double(), theirs, rtol=tolerance, atol=tolerance * scale)


@pytest.mark.parametrize("shape", [(100, 20, 48), (49, 37, 300), (0, 3, 5)])
@pytest.mark.parametrize("bias", [True, False])
def test_linear_layers_are_those_of_pytorch(threads, shape, bias):
    tensors = case(*shape)[: 2 + bias]
    for mine, theirs in zip(evaluated(linear, tensors), evaluated(F.linear, tensors), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("function", "given"), [(dense, 5), (linear, 3)])
def test_same_bits_every_time(threads, function, given):
    tensors = case(500, 31, 47, torch.float32)[:given]
    first = evaluated(function, tensors)
    for _ in range(3):
        assert all(map(torch.equal, evaluated(function, tensors), first))


def test_tensors_that_lie_apart_in_memory():
    tensors = case(9, 4, 6)
    strided = [torch.stack([t, -t], -1)[..., 0] for t in tensors]
    for found, expected in zip(evaluated(dense, strided), evaluated(dense, tensors), strict=True):
        assert torch.equal(found, expected)


def test_gradients_are_those_of_the_values():
    leaves = [t.requires_grad_() for t in case(4, 3, 5)]
    assert torch.autograd.gradcheck(dense, leaves)


def test_inputs_without_gradient_leave_the_others_theirs():
    tensors = case(60, 3, 5)
    expected = evaluated(dense, tensors)[2:]
    leaves = [t.clone().requires_grad_() for t in tensors[1:]]
    result = dense(tensors[0], *leaves)
    found = torch.autograd.grad(result.sin().sum(), leaves)
    assert all(map(torch.equal, found, expected))


def test_layers_too_wide_for_the_cache_take_pytorch(monkeypatch):
    def refused(*_):
        raise AssertionError("the kernel was called")

    layer = LMN(LARGEST // 8 + 1, 8, "layer")
    kernels.use_compiled_layers(layer)
    monkeypatch.setattr(kernels.dense, "dense", refused)
    assert layer(torch.randn(2, LARGEST // 8 + 1), None).shape == (2, 8)
    narrow = LMN(LARGEST // 8, 8, "layer")
    kernels.use_compiled_layers(narrow)
    with pytest.raises(AssertionError, match="was called"):
        narrow(torch.randn(2, LARGEST // 8), None)


def test_wrong_inputs_are_refused():
    x, weight, bias, scale, shift = case(4, 3, 5)
    with pytest.raises(TypeError, match="float32"):
        dense(x, weight.float(), bias, scale, shift)
    with pytest.raises(TypeError, match="float32"):
        dense(*(t.half() for t in (x, weight, bias, scale, shift)))
    wrong = [
        (x[:, 1:], weight, bias, scale, shift),
        (x[0], weight, bias, scale, shift),
        (x, weight[1:], bias, scale, shift),
        (x, weight, bias[1:], scale, shift),
        (x, weight, bias, scale[1:], shift),
        (x, weight, bias, scale, shift[None]),
    ]
    for tensors in wrong:
        with pytest.raises(ValueError, match="shapes"):
            dense(*tensors)


def test_freed_memory_is_used_again():
    def faults():
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

    for _ in range(8):
        torch.ones(2**24)  # 64 MiB: 16,384 pages
    before = faults()
    for _ in range(8):
        torch.ones(2**24)
    assert faults() - before < 16384
