"""What a GPU computes never waits for the host: shown on torch's meta device, which has no values.

Whatever reads a value there (a number, a mask turned into indices, a length that depends on data)
raises. What would be copied to a GPU from the host is counted besides.
"""

from collections import Counter
from contextlib import nullcontext

import pytest
import torch
from example_crystals import EXAMPLES
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from sitenet.crystal.featurise import featurise
from sitenet.model import sitenet as engine
from sitenet.model.sitenet import SiteNet
from sitenet.options.features import FeatureSettings
from sitenet.options.model import ModelSettings
from sitenet.shards.batch import RaggedBatch
from sitenet.shards.padding import Capacity, padded
from sitenet.shards.store import CrystalStore, ranges
from sitenet.train import replay

META = torch.device("meta")
CAPACITY = Capacity(rows=100, pairs=2000, crystals=9, types=1500)


class HostCopies(TorchDispatchMode):
    """Counts by operator what goes to the meta device from tensors on the CPU."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        result = operator(*args, **(kwargs or {}))
        devices = [
            {t.device.type for t in tree_leaves(group) if isinstance(t, torch.Tensor)}
            for group in ((args, kwargs), result)
        ]
        if "cpu" in devices[0] and "meta" in devices[1]:
            self.found[str(operator)] += 1
        return result


@pytest.fixture(scope="module")
def store() -> CrystalStore:
    """The example crystals, without values."""
    merged = [featurise(crystal, FeatureSettings(n_atoms=30)) for crystal in EXAMPLES.values()]
    return CrystalStore.from_crystals(list(EXAMPLES), merged).to(META)


def batch(store: CrystalStore) -> RaggedBatch:
    return store.batch(torch.tensor([3, 0, 2]))


def test_the_meta_device_shows_what_would_wait():
    lengths = torch.ones(3, dtype=torch.int64, device=META)
    with pytest.raises(RuntimeError):
        ranges(lengths, lengths)
    with pytest.raises(RuntimeError):
        lengths.tolist()
    with pytest.raises(NotImplementedError):
        lengths[lengths > 0]
    with HostCopies() as copies:
        torch.tensor([1, 2], device=META) + torch.ones(2).to(META)
    assert copies.found.total() == 1


def test_a_batch_is_made_where_the_crystals_are(store):
    with HostCopies() as copies:
        made = batch(store)
    assert copies.found == {"aten._to_copy.default": 1}, "the numbers of the crystals, once"
    assert all(tensor.device == META for tensor in vars(made).values())
    merged = featurise(EXAMPLES["perovskite"], FeatureSettings(n_atoms=30))
    assert len(made.pair_row) > len(merged.pair_class)


def test_a_batch_is_padded_there(store):
    with HostCopies() as copies:
        made = padded(batch(store), CAPACITY)
    assert copies.found.total() == 1
    shape = (made.numbers, made.pair_row, made.sizes, made.type_first)
    assert tuple(map(len, shape)) == CAPACITY


class NotLaunched:
    """Stands in for a Triton kernel: its results keep their shapes and have no values anyway."""

    def __getitem__(self, grid: tuple[int, ...]):
        return lambda *arguments, **options: None


@pytest.mark.parametrize("pooling", ["mean", "max", "self_attention"])
def test_a_step_never_waits(monkeypatch, store, pooling):
    """What is captured as a CUDA graph, but for the Triton kernels themselves."""
    pytest.importorskip("triton", reason="Triton is not installed")
    from sitenet.model.kernels import gpu_backward, gpu_forward, pair_block_gpu

    for module, names in ((gpu_forward, ("_evaluate", "_rows")),
                          (gpu_backward, ("evaluate", "mixing", "segments"))):  # fmt: skip
        for name in names:
            monkeypatch.setattr(module, name, NotLaunched())
    monkeypatch.setattr(engine, "fast_path", lambda device: pair_block_gpu.pair_block)
    monkeypatch.setattr(torch, "autocast", lambda *args, **options: nullcontext())  # has no meta
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda device: False)
    model = SiteNet(ModelSettings(pooling=pooling, output="nonnegative")).to(META)
    parameters = [p for p in model.parameters() if p.requires_grad]
    made = padded(batch(store), CAPACITY)
    work = replay._Work(model, parameters, None)
    with HostCopies() as copies:
        total, gradient = work(
            *vars(made).values(), torch.ones(9, device=META), torch.ones(9, device=META)
        )
    assert copies.found == {}
    assert total.shape == ()
    assert gradient.shape == (sum(p.numel() for p in parameters),)
