"""The compiled Mish with layer norm against PyTorch's, and its errors."""

import pytest
import torch
import torch.nn.functional as F

from sitenet.model import kernels
from sitenet.model.kernels.mish_norm import mish_norm


@pytest.fixture(scope="module", autouse=True)
def compiled():
    """Skips without a compiler."""
    kernels.load.cache_clear()
    if kernels.load() is None:
        pytest.skip("no C++ compiler")


def case(rows, channels, dtype=torch.float64):
    """x, weight and bias, at random."""
    generator = torch.Generator().manual_seed(rows)
    shapes = ((rows, channels), (channels,), (channels,))
    return [torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)
            for shape in shapes]  # fmt: skip


def evaluated(function, tensors):
    """Result and gradients of a nonlinear function of it."""
    leaves = [t.clone().requires_grad_() for t in tensors]
    result = function(*leaves)
    return [result.detach(), *torch.autograd.grad(result.sin().sum(), leaves)]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("shape", [(100, 48), (7, 33), (1, 2), (0, 5)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_results_are_those_of_pytorch(threads, shape, dtype, tolerance):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    tensors = case(*shape, dtype)
    found = evaluated(mish_norm, tensors)
    torch.set_num_threads(before)
    expected = evaluated(
        lambda x, weight, bias: F.layer_norm(F.mish(x), x.shape[1:], weight, bias),
        [t.double() for t in tensors],
    )
    for mine, theirs in zip(found, expected, strict=True):
        assert mine.dtype == dtype
        torch.testing.assert_close(mine.double(), theirs, rtol=tolerance, atol=10 * tolerance)


def test_columns_that_lie_apart_in_memory():
    x, weight, bias = case(9, 6)
    strided = torch.stack([x, -x], 2)[:, :, 0]
    for found, expected in zip(
        evaluated(mish_norm, [strided, weight, bias]), evaluated(mish_norm, [x, weight, bias]),
        strict=True,
    ):  # fmt: skip
        assert torch.equal(found, expected)


def test_gradients_are_those_of_the_values():
    leaves = [t.requires_grad_() for t in case(4, 5)]
    assert torch.autograd.gradcheck(mish_norm, leaves)


def test_wrong_inputs_are_refused():
    x, weight, bias = case(4, 5)
    with pytest.raises(TypeError, match="float32"):
        mish_norm(x, weight.float(), bias)
    with pytest.raises(TypeError, match="float32"):
        mish_norm(x.half(), weight.half(), bias.half())
    for wrong in ((x[:, 1:], weight, bias), (x[0], weight, bias), (x, weight, bias[1:])):
        with pytest.raises(ValueError, match="shapes"):
            mish_norm(*wrong)
