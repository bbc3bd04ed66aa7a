"""Compiled scores against plain ones, and their errors."""

import pytest
import torch

from sitenet.model import kernels
from sitenet.model.kernels import pair_scores


@pytest.fixture(scope="module", autouse=True)
def compiled():
    """Skips without a compiler."""
    kernels.load.cache_clear()
    if kernels.load() is None:
        pytest.skip("no C++ compiler")


def case(count, own, other, channels, dtype=torch.float64):
    """Tables and rows, at random."""
    generator = torch.Generator().manual_seed(count)
    tables = [torch.randn(n, channels, generator=generator, dtype=torch.float64).to(dtype)
              for n in (own, other)]  # fmt: skip
    return tables, [torch.randint(0, n, (count,), generator=generator) for n in (own, other)]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("sizes", [(500, 7, 60, 128), (33, 1, 5, 3), (4, 9, 9, 1), (0, 3, 2, 8)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 1e-5)])
def test_scores_and_gradients_are_those_of_copied_rows(threads, sizes, dtype, tolerance):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    (own, other), (of_own, of_other) = case(*sizes, dtype)
    results = []
    for block in (
        lambda x, y: (x[of_own].double() * y[of_other].double()).sum(1),
        lambda x, y: pair_scores(x, y, of_own, of_other).double(),
    ):
        leaves = [own.clone().requires_grad_(), other.clone().requires_grad_()]
        scores = block(*leaves)
        gradients = torch.autograd.grad(scores.sin().sum(), leaves)
        results.append([scores.detach(), *(g.double() for g in gradients)])
    torch.set_num_threads(before)
    for expected, found in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=tolerance, atol=10 * tolerance)


def test_same_bits_every_time_for_any_number_of_threads():
    (own, other), rows = case(2000, 40, 300, 100, torch.float32)
    before, results = torch.get_num_threads(), []
    for threads in (1, 2, 3, 1):
        torch.set_num_threads(threads)
        leaves = [own.clone().requires_grad_(), other.clone().requires_grad_()]
        scores = pair_scores(*leaves, *rows)
        results.append([scores, *torch.autograd.grad(scores.sin().sum(), leaves)])
    torch.set_num_threads(before)
    for again in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(again, results[0], strict=True))


def test_gradients_are_those_of_the_values():
    tables, rows = case(12, 3, 5, 6)
    leaves = [t.requires_grad_() for t in tables]
    assert torch.autograd.gradcheck(lambda *tables: pair_scores(*tables, *rows), leaves)


def test_wrong_inputs_are_refused():
    (own, other), (of_own, of_other) = case(12, 3, 5, 6)
    for wrong in (3, -1):
        with pytest.raises(IndexError, match="outside"):
            pair_scores(own, other, torch.full_like(of_own, wrong), of_other)
    with pytest.raises(ValueError, match="shapes"):
        pair_scores(own, other[:, 1:], of_own, of_other)


def test_without_the_kernels_scores_are_the_same(monkeypatch):
    (own, other), rows = case(50, 3, 5, 6)
    expected = pair_scores(own, other, *rows)
    monkeypatch.setattr(kernels, "load", lambda: None)
    torch.testing.assert_close(pair_scores(own, other, *rows), expected, rtol=1e-13, atol=1e-13)
