"""Fixtures of the kernels."""

import pytest
import torch


@pytest.fixture(params=[1, 3])
def threads(request):
    """Threads of torch, given back afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)
