"""Replayed training steps, with a stand-in for the CUDA graph: the same memory, read anew.

Like a graph, the stand-in works on copies of its first inputs and gives its results in one place,
so that stale inputs, changing shapes and results that are kept too long show. On a GPU the graph
itself is tested too.
"""

import itertools
import logging
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from example_crystals import EXAMPLES
from rock_salts import MODEL, TRAINING, interrupt_before, outputs
from safetensors.torch import load_file

from sitenet.crystal.featurise import featurise
from sitenet.model.sitenet import SiteNet
from sitenet.options.features import FeatureSettings
from sitenet.options.training import TrainingSettings
from sitenet.shards.padding import Capacity
from sitenet.shards.store import CrystalStore
from sitenet.train import replay, task
from sitenet.train.batches import Packs
from sitenet.train.replay import CHECKED, TOLERANCES, ReplayedError, absolute_error, obstacle
from sitenet.train.supervised import train

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def stand_in(function: Callable, examples: list[torch.Tensor]) -> Callable:
    """Runs `function` again on the same memory, into the same memory."""
    static = [tensor.clone() for tensor in examples]
    results = [result.clone() for result in function(*static)]

    def replay(*tensors: torch.Tensor) -> list[torch.Tensor]:
        for place, tensor in zip(static, tensors, strict=True):
            assert (place.shape, place.dtype) == (tensor.shape, tensor.dtype)
            place.copy_(tensor)
        for place, result in zip(results, function(*static), strict=True):
            place.copy_(result)
        return results

    return replay


def spoilt(change: Callable) -> Callable:
    """A stand-in whose results are changed."""

    def capture(function: Callable, examples: list[torch.Tensor]) -> Callable:
        replay = stand_in(function, examples)
        return lambda *tensors: change(*replay(*tensors))

    return capture


def stale(function: Callable, examples: list[torch.Tensor]) -> Callable:
    """Never reads what it is given after the capture."""
    results = function(*[tensor.clone() for tensor in examples])
    return lambda *tensors: results


def failing(function: Callable, examples: list[torch.Tensor]) -> Callable:
    raise RuntimeError("no such luck")


@pytest.fixture(scope="module")
def store() -> CrystalStore:
    """The example crystals at N = 30."""
    merged = [featurise(crystal, FeatureSettings(n_atoms=30)) for crystal in EXAMPLES.values()]
    return CrystalStore.from_crystals(list(EXAMPLES), merged).to(DEVICE)


@pytest.fixture
def model() -> SiteNet:
    torch.manual_seed(0)
    return SiteNet(replace(MODEL, output="linear")).to(DEVICE)


CHOICES = ([3, 0, 2], [1, 4], [6, 5, 0, 2], [0], [4, 4, 1])


def examples(store: CrystalStore) -> Iterator[tuple]:
    """Batches of some crystals, and labels."""
    generator = torch.Generator().manual_seed(1)
    for chosen in CHOICES:
        yield (
            store.batch(torch.tensor(chosen)),
            torch.randn(len(chosen), generator=generator).to(DEVICE),
        )


CAPACITY = Capacity(rows=40, pairs=300, crystals=6, types=250)


def replayed(model: SiteNet, capture: Callable, capacity: Capacity = CAPACITY) -> ReplayedError:
    return ReplayedError(model, capacity, TOLERANCES["32-true"], capture)


def gradients(model: SiteNet) -> torch.Tensor:
    """Those that have piled up, which are then forgotten."""
    found = torch.cat([p.grad.flatten() for p in model.parameters() if p.requires_grad])
    model.zero_grad()
    return found


def assert_as_usual(model: SiteNet, store: CrystalStore, error: ReplayedError) -> None:
    """Values and gradients of all example batches, those of two batches together as well."""
    for factor in (1.0, 0.3):
        kept = []
        for number, (batch, target) in enumerate(examples(store)):
            found, usual = error(batch, target), absolute_error(model, batch, target)
            kept.append((found, usual))
            torch.testing.assert_close(found, usual, rtol=1e-5, atol=1e-6)
            (found * factor).backward()
            if number % 2 == 0:  # with those of the next batch
                continue
            mine = gradients(model)
            for _, former in kept[-2:]:
                (former * factor).backward()
            torch.testing.assert_close(mine, gradients(model), rtol=1e-4, atol=1e-5)
        model.zero_grad()
        for found, usual in kept:
            torch.testing.assert_close(found, usual, rtol=1e-5, atol=1e-6)


def test_the_examples_fit_and_differ(store):
    batches = [batch for batch, _ in examples(store)]
    assert all(CAPACITY.holds(batch) for batch in batches)
    assert len({len(batch.pair_row) for batch in batches}) == len(batches)


def test_a_replayed_step_is_the_usual_one(store, model, caplog):
    caplog.set_level(logging.INFO, "sitenet")
    error = replayed(model, stand_in)
    assert_as_usual(model, store, error)
    assert error.checked == CHECKED
    assert "40 site classes, 300 pairs and 6 crystals" in caplog.text
    assert "one by one" not in caplog.text


def test_a_later_step_leaves_the_gradients_of_an_earlier_one(store, model):
    error = replayed(model, stand_in)
    first, second = itertools.islice(examples(store), 2)
    found = error(*first)
    error(*second)
    found.backward()
    mine = gradients(model)
    absolute_error(model, *first).backward()
    torch.testing.assert_close(mine, gradients(model), rtol=1e-4, atol=1e-5)


def test_it_follows_the_weights(store, model):
    error = replayed(model, stand_in)
    assert_as_usual(model, store, error)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    assert_as_usual(model, store, error)


def test_captured_once(store, model):
    captures = []

    def counting(function, tensors):
        captures.append(function)
        return stand_in(function, tensors)

    assert_as_usual(model, store, replayed(model, counting))
    assert len(captures) == 1


def test_a_batch_that_does_not_fit_is_launched_as_usual(store, model):
    pairs = sorted(len(batch.pair_row) for batch, _ in examples(store))[-2]
    shapes = []

    def watching(function, tensors):
        replay = stand_in(function, tensors)

        def watched(*given):
            shapes.append(given[0].shape)
            return replay(*given)

        return watched

    assert_as_usual(model, store, replayed(model, watching, Capacity(40, pairs, 6, 250)))
    assert len(shapes) == 2 * (len(CHOICES) - 1), "all but the largest, with two factors"


WRONG = {
    "sum": spoilt(lambda total, gradient: (total * 1.01, gradient)),
    "gradient": spoilt(lambda total, gradient: (total, gradient * 1.01)),
    "one gradient": spoilt(lambda total, gradient: (total, gradient.index_fill(
        0, torch.arange(len(gradient) - 3, len(gradient), device=gradient.device), 0))),
    "not a number": spoilt(lambda total, gradient: (total, gradient * torch.nan)),
    "stale": stale,
    "failing": failing,
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_fails_or_is_wrong_is_given_up(store, model, caplog, name):
    captures = []

    def counting(function, tensors):
        captures.append(function)
        return WRONG[name](function, tensors)

    error = replayed(model, counting)
    assert_as_usual(model, store, error)
    assert error.failed
    assert len(captures) == 1
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "one by one" in record.message


def test_a_small_gradient_is_looked_at_by_itself(store, model):
    """One parameter's is wrong, by next to nothing beside the whole gradient."""
    batch, target = next(examples(store))
    absolute_error(model, batch, target).backward()
    sizes = [p.numel() for p in model.parameters()]
    norms = torch.stack([part.norm() for part in gradients(model).split(sizes)])
    least = int(norms.masked_fill(norms == 0, torch.inf).argmin())
    whole = float(norms.norm())

    def change(total, gradient):
        parts = list(gradient.split(sizes))
        parts[least] = parts[least] * (1 + 5e-5 * whole / float(norms[least]))
        return total, torch.cat(parts)

    error = replayed(model, spoilt(change))
    error(batch, target)
    assert error.failed


def test_autocast_is_that_of_the_step(store, model):
    """bfloat16 products in the forward pass only, as the trainer has them."""
    error = ReplayedError(model, CAPACITY, TOLERANCES["bf16-mixed"], stand_in)
    for batch, target in examples(store):
        exact = absolute_error(model, batch, target).detach()
        with torch.autocast(DEVICE, torch.bfloat16, cache_enabled=False):
            found = error(batch, target)
            usual = absolute_error(model, batch, target)
        assert found.dtype == usual.dtype == torch.float32
        assert found != exact
        found.backward()
        mine = gradients(model)
        usual.backward()
        expected = gradients(model)
        assert (found - usual).abs() <= 0.02 * usual
        assert (mine - expected).norm() <= 0.05 * expected.norm()
    assert error.checked == CHECKED


def test_autocast_leaves_labels_their_digits(store, model):
    model.label_shift.fill_(1000.0)
    batch, _ = next(examples(store))
    exact = model(batch)
    with torch.autocast(DEVICE, torch.bfloat16, cache_enabled=False):
        found = model(batch)
    assert (found - exact).abs().max() < 0.1, "bfloat16 has steps of 4 there"


def learned(folder: Path, name: str) -> dict[str, torch.Tensor]:
    return load_file(folder / name / "model.safetensors")


@pytest.fixture
def replaying(monkeypatch) -> list[ReplayedError]:
    """Trainings that replay their steps through the stand-in; what replayed them."""
    made = []

    def choose(model, settings, device, batches):
        made.append(ReplayedError(model, batches.capacity(), TOLERANCES["32-true"], stand_in))
        return made[-1]

    monkeypatch.setattr(task, "replayed_error", choose)
    return made


def test_a_training_gives_the_usual_weights(labelled, tmp_path, monkeypatch, replaying):
    settings = replace(TRAINING, max_epochs=4)
    train(labelled, outputs(tmp_path / "replayed"), MODEL, settings)
    (error,) = replaying
    assert error.checked == CHECKED
    assert not error.failed
    monkeypatch.undo()
    train(labelled, outputs(tmp_path / "usual"), MODEL, settings)
    mine, usual = learned(tmp_path, "replayed"), learned(tmp_path, "usual")
    start = SiteNet(MODEL).state_dict()
    for name, expected in usual.items():
        torch.testing.assert_close(mine[name], expected, rtol=1e-3, atol=1e-4, msg=name)
    assert any((usual[name] - start[name]).abs().max() > 0.1 for name in usual)
    histories = [
        pd.read_csv(tmp_path / name / "history.csv")[["train_mae", "val_mae"]]
        for name in ("replayed", "usual")
    ]
    np.testing.assert_allclose(*histories, rtol=1e-4)


def test_a_killed_run_continues_as_if_undisturbed(labelled, tmp_path, monkeypatch, replaying):
    train(labelled, outputs(tmp_path / "whole"), MODEL, TRAINING)
    with monkeypatch.context() as patch:
        interrupt_before(patch, 3)
        with pytest.raises(RuntimeError, match="killed"):
            train(labelled, outputs(tmp_path / "cut"), MODEL, TRAINING)
    train(labelled, outputs(tmp_path / "cut"), MODEL, TRAINING)
    assert len(replaying) == 3
    assert all(error.checked == CHECKED for error in replaying)
    whole, cut = learned(tmp_path, "whole"), learned(tmp_path, "cut")
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


def test_the_capacity_holds_the_batches_of_other_epochs():
    random = np.random.default_rng(0)
    sites = torch.from_numpy(random.integers(1, 40, 3000))

    class Known:
        """What packing asks of a store."""

        def __init__(self) -> None:
            self.sites, self.classes = sites, (sites + 1) // 2
            self.pairs = self.classes * torch.from_numpy(random.integers(5, 60, 3000))
            self.types = (self.pairs * torch.from_numpy(random.uniform(0.3, 1, 3000))).long()

        windows = CrystalStore.windows

        def hold(self, groups, upcoming=()) -> None:
            pass

    packs = Packs(Known(), torch.arange(3000), 400, shuffle=0)  # type: ignore[arg-type]
    capacity = packs.capacity()
    assert capacity.pairs <= packs.limit
    fits = []
    for packs.epoch in range(1, 4):
        assert packs.capacity() == capacity
        for batch, _ in packs.packs():
            rows, pairs = int(packs.store.classes[batch].sum()), int(packs.store.pairs[batch].sum())
            room = capacity.rows - rows, capacity.crystals - len(batch)
            types = int(packs.store.types[batch].sum())
            fits.append(
                room[0] >= room[1] >= 1 and pairs <= capacity.pairs and types < capacity.types
            )
    assert np.mean(fits) > 0.97


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"precision": "bf16-mixed"}, None),
        ({"precision": "16-mixed"}, "16-mixed"),
        ({"precision": "64-true"}, "64-true"),
        ({"devices": 2}, "processes"),
        ({"cutoff": 5.0}, "cutoff"),
        ({"norm": "batch"}, "plain"),
        ({"attention_layers": (8, 8)}, "plain"),
        ({"engine": "plain"}, "plain"),
    ],
)
def test_where_steps_can_be_replayed(monkeypatch, caplog, change, reason):
    caplog.set_level(logging.INFO, "sitenet")
    path = None if change.pop("engine", None) else nullcontext
    monkeypatch.setattr(replay, "fast_path", lambda device: path)
    training = {k: v for k, v in change.items() if k in ("precision", "devices")}
    shape = {k: v for k, v in change.items() if k not in training}
    model, settings = SiteNet(replace(MODEL, **shape)), TrainingSettings(**training)
    found = obstacle(model, settings, torch.device("cuda"))
    assert found is None if reason is None else reason in found
    if reason is not None:
        assert replay.replayed_error(model, settings, torch.device("cuda"), None) is None
        (record,) = caplog.records
        assert reason in record.message


def test_nothing_is_replayed_on_the_cpu(labelled):
    assert replay.replayed_error(SiteNet(MODEL), TRAINING, torch.device("cpu"), None) is None


@pytest.mark.skipif(DEVICE == "cpu", reason="no CUDA GPU")
def test_the_graph_itself(store, model):
    error = replayed(model, replay.cuda_graph)
    assert_as_usual(model, store, error)
    assert error.checked == CHECKED


@pytest.mark.skipif(DEVICE == "cpu", reason="no CUDA GPU")
def test_a_capture_that_waits_is_refused():
    with pytest.raises(RuntimeError):
        replay.cuda_graph(lambda x: [x * float(x.sum())], [torch.ones(3, device=DEVICE)])
    assert torch.cuda.get_sync_debug_mode() == 0
