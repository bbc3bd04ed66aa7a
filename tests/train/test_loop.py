"""The loop alone, on a task that is small enough to be checked by hand."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from sitenet.model.flat import FlatParameters
from sitenet.options.training import TrainingSettings
from sitenet.train import checkpoints, distributed
from sitenet.train.checkpoints import LAST, Checkpoints, newest_checkpoint, read_checkpoint
from sitenet.train.distributed import ALONE, Group
from sitenet.train.history import History
from sitenet.train.loop import Stepper, Trained, train_epochs
from sitenet.train.precision import Precision
from sitenet.train.task import Found, Task

CPU = torch.device("cpu")
SETTINGS = TrainingSettings(learning_rate=0.05, max_epochs=5, patience=5, schedule="constant")
POINTS = torch.linspace(-1, 1, 12)[:, None]


class Crystals:
    """What a loop asks of crystals."""

    numbers = torch.zeros(1, dtype=torch.int64)


class Points:
    """Batches of points whose number depends on the epoch: 3, 4, 6, 12 and 3 again."""

    def __init__(self, points: Tensor) -> None:
        self.indices, self.points = torch.arange(len(points)), points
        self.epoch = self.rank = 0
        self.world = 1

    def to(self, device: torch.device) -> None:
        pass

    def __len__(self) -> int:
        return (3, 4, 6, 12)[self.epoch % 4]

    def __iter__(self) -> Iterator[tuple[Crystals, Tensor]]:
        return ((Crystals(), part) for part in self.points.chunk(len(self)))


class Line(Task):
    """Fits a line to |x|; `seen` and `validated` are the points of each epoch."""

    measures = ("error", "square")
    judged = "error"

    def __init__(self, settings: TrainingSettings = SETTINGS) -> None:
        torch.manual_seed(0)
        super().__init__(nn.Linear(1, 1), settings, Points(POINTS), Points(POINTS[:4]))  # type: ignore[arg-type]
        self.seen: list[list[float]] = []
        self.validated: list[list[float]] = []

    def start_epoch(self, epoch: int) -> None:
        super().start_epoch(epoch)
        self.seen.append([])
        self.validated.append([])

    def train_step(self, batch: tuple, epoch: int, number: int) -> Found:
        assert self.model.training
        self.seen[-1] += batch[1].flatten().tolist()
        return self._found(batch[1])

    def validation_step(self, batch: tuple, number: int) -> Found:
        assert not self.model.training
        self.validated[-1] += batch[1].flatten().tolist()
        return self._found(batch[1])

    def _found(self, x: Tensor) -> Found:
        error = (self.model(x) - x.abs()).abs().flatten()
        sums = torch.stack([error.sum(), error.square().sum()])
        return Found(error.mean(), sums.detach(), len(x))


class Diverging(Line):
    """Its validation error is not a number from the third epoch on."""

    def _found(self, x: Tensor) -> Found:
        found = super()._found(x)
        broken = len(self.seen) >= 3 and not self.model.training
        return found._replace(sums=found.sums * torch.nan) if broken else found


def train(task: Line, folder: Path | None = None, **more: object) -> Trained:
    resumed = None if folder is None else newest_checkpoint(folder, "line")
    return train_epochs(task, task.settings, CPU, folder, resumed, **more)  # type: ignore[arg-type]


def test_every_epoch_has_every_point_and_a_validation_whatever_the_number_of_batches():
    task = Line()
    history = train(task).history
    assert task.seen == [POINTS.flatten().tolist()] * 5
    assert task.validated == [POINTS[:4].flatten().tolist()] * 5
    assert len({row["val_error"] for row in history.rows}) == 5


def test_measures_are_means_over_points_and_the_best_weights_are_kept():
    task = Line()
    history, best = train(task)
    task.model.requires_grad_(False)
    error = (task.model(POINTS[:4]) - POINTS[:4].abs()).abs()
    last = history.rows[-1]
    assert last["val_error"] == pytest.approx(float(error.mean()), rel=1e-6)
    assert last["val_square"] == pytest.approx(float(error.square().mean()), rel=1e-6)
    assert [row["epoch"] for row in history.rows] == [1, 2, 3, 4, 5]
    assert list(last)[1:5] == ["train_error", "train_square", "val_error", "val_square"]
    task.model.load_state_dict(best)
    error = (task.model(POINTS[:4]) - POINTS[:4].abs()).abs()
    assert history.best()["val_error"] == pytest.approx(float(error.mean()), rel=1e-6)


def test_the_schedule_moves_with_every_step():
    settings = replace(SETTINGS, schedule="cosine", warmup_epochs=0, max_epochs=2)
    rates = [row["learning_rate"] for row in train(Line(settings)).history.rows]
    assert rates == pytest.approx([0.025, 0.0])  # 3 of 6 steps; the second epoch has 4


@given(
    st.lists(st.integers(0, 5).map(float) | st.just(math.nan), min_size=1, max_size=20),
    st.integers(1, 4),
)
def test_a_training_ends_by_patience_or_divergence(errors: list[float], patience: int):
    """Against the usual counter of epochs without an improvement."""
    best, waited = math.inf, 0
    history = History("error")
    for epoch, error in enumerate(errors, 1):
        history.rows.append({"epoch": epoch, "val_error": error})
        best, waited = (error, 0) if error < best else (best, waited + 1)
        ends = waited >= patience or math.isnan(error)
        assert history.finished(100, patience) == ends
        assert history.finished(epoch, patience)
        if ends:
            break
        assert history.best()["val_error"] == best
        assert history.best()["epoch"] == errors.index(best) + 1


def test_a_diverged_training_stops_stays_stopped_and_keeps_its_best_weights(tmp_path: Path):
    first = train(Diverging(), tmp_path)
    assert len(first.history.rows) == 3
    again = train(Diverging(), tmp_path)
    assert len(again.history.rows) == 3
    assert again.history.best()["epoch"] == 2
    two = train(Line(replace(SETTINGS, max_epochs=2)))
    for name, tensor in again.weights.items():
        assert torch.equal(tensor, two.weights[name])


@pytest.mark.parametrize("precision", ["32-true", "64-true", "bf16-mixed"])
def test_a_training_killed_in_a_report_repeats_the_epoch(
    tmp_path: Path, precision: str, monkeypatch: pytest.MonkeyPatch
):
    """Reports come before the checkpoint of their epoch."""
    monkeypatch.setattr(Checkpoints, "due", lambda self: True)
    settings = replace(SETTINGS, precision=precision, schedule="cosine")
    told: list[int] = []

    def report(history: History) -> None:
        told.append(len(history.rows))
        if told == [1, 2, 3]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(Line(settings), tmp_path, on_epoch=[report])
    assert len(read_checkpoint(tmp_path / LAST)["rows"]) == 2
    resumed, whole = train(Line(settings), tmp_path, on_epoch=[report]), train(Line(settings))
    assert told == [1, 2, 3, 3, 4, 5]
    for name, tensor in whole.weights.items():
        assert torch.equal(tensor, resumed.weights[name])
    errors = [[row["val_error"] for row in t.history.rows] for t in (resumed, whole)]
    assert errors[0] == errors[1]


@pytest.mark.parametrize("kept", [set(), {1}, {1, 3}, {4}])
def test_epochs_without_a_checkpoint_are_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: set[int]
):
    """A training that is killed in the report of its fourth epoch."""
    epochs: list[int] = []
    monkeypatch.setattr(Checkpoints, "due", lambda self: epochs[-1] in kept)

    def report(history: History) -> None:
        epochs.append(len(history.rows))
        if epochs == [1, 2, 3, 4]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(Line(), tmp_path, on_epoch=[report])
    resumed, whole = train(Line(), tmp_path, on_epoch=[report]), train(Line())
    after = max(kept & {1, 2, 3}, default=0)
    assert epochs[4:] == list(range(after + 1, 6))
    assert len(read_checkpoint(tmp_path / LAST)["rows"]) == 5, "the last epoch has one always"
    for name, tensor in whole.weights.items():
        assert torch.equal(tensor, resumed.weights[name])


def test_checkpoints_take_a_hundredth_of_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A clock that moves in epochs (0.5 s) and in writing (20 ms)."""
    now = [100.0]
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: now[0])
    written: list[int] = []

    def save(content: dict, folder: Path) -> None:
        written.append(len(content["rows"]))
        now[0] += 0.02

    monkeypatch.setattr(checkpoints, "save_checkpoint", save)
    kept = Checkpoints(tmp_path)
    for epoch in range(1, 13):
        now[0] += 0.5
        if kept.due():
            kept.save({"rows": [{}] * epoch})
    assert written == [1, 5, 9], "the first at once, then after 2 s each"


def test_a_training_killed_at_its_end_is_reported_again(tmp_path: Path):
    """Between its last epoch and its results: Snakemake deletes the table of a failed job."""
    told: list[int] = []
    for _ in range(2):
        train(Line(), tmp_path, on_epoch=[lambda history: told.append(len(history.rows))])
    assert told == [1, 2, 3, 4, 5, 5]


def stepper(model: nn.Module, scaler: torch.amp.GradScaler | None = None) -> Stepper:
    precision = Precision("32-true", CPU)
    precision.scaler = scaler or precision.scaler
    return Stepper(model, SETTINGS, 10, precision, ALONE)


def test_scaled_gradients_are_scaled_back_before_they_are_clipped():
    """As float16 has it on a GPU; a step whose gradient is not finite is left out."""
    models = [Line().model for _ in range(2)]
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**15)
    steppers = [stepper(models[0]), stepper(models[1], scaler)]
    for factor in (0.1, 100.0, 3.0):
        for model, steps in zip(models, steppers, strict=True):
            steps.step(factor * (model(POINTS) - POINTS.abs()).abs().mean())
    for one, other in zip(*(model.parameters() for model in models), strict=True):
        assert torch.equal(one, other)
    before = [parameter.clone() for parameter in models[1].parameters()]
    steppers[1].step(torch.inf * models[1](POINTS).sum())
    for parameter, former in zip(models[1].parameters(), before, strict=True):
        assert torch.equal(parameter, former)
    assert scaler.get_scale() == 2.0**14
    copy = stepper(models[1], torch.amp.GradScaler("cpu"))
    copy.load_state_dict(steppers[1].state_dict())
    assert copy.scaler.get_scale() == 2.0**14


class Lines(nn.Module):
    """Two parameters, one that nobody uses, and one that is not trained."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.idle, self.fixed = (nn.Parameter(torch.ones(k)) for k in (2, 3, 4, 5))
        self.fixed.requires_grad_(False)


def test_gradients_are_averaged_over_the_processes(monkeypatch):
    """The other process uses both lines, this one only the first."""
    mine, other = Lines(), Lines()
    flat, sent = FlatParameters(mine), FlatParameters(other)
    sent.differentiate(2 * other.a.sum() + 6 * other.b.sum())
    flat.differentiate(4 * mine.a.sum())
    monkeypatch.setattr(distributed.dist, "all_reduce", lambda x: x.add_(sent.gradient / 2))
    Group(1, 2).average(flat.gradient)
    places = torch.zeros_like(flat.gradient)
    for values, mean in ((mine.a, 3.0), (mine.b, 3.0), (mine.idle, 0.0)):
        start = values.storage_offset()
        assert flat.gradient[start : start + values.numel()].tolist() == [mean] * len(values)
        places[start : start + values.numel()] = 1
    assert not (flat.gradient[places == 0]).any()


def network() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1)).double()


@pytest.mark.parametrize("amsgrad", [True, False])
def test_steps_on_one_tensor_are_those_on_each_parameter(amsgrad: bool):
    """Against PyTorch's clipping and AdamW, in float64; some gradients are clipped."""
    settings = replace(SETTINGS, amsgrad=amsgrad, weight_decay=0.1, gradient_clip=0.5)
    points = torch.linspace(-1, 1, 12, dtype=torch.float64).view(4, 3)
    mine, usual = network(), network()
    steps = Stepper(mine, settings, 10, Precision("64-true", CPU), ALONE)
    adam = torch.optim.AdamW(
        usual.parameters(), settings.learning_rate, weight_decay=0.1, amsgrad=amsgrad, eps=1e-7
    )
    norms = []
    for step in range(20):
        steps.step((mine(points) - step % 3).square().mean())
        adam.zero_grad()
        (usual(points) - step % 3).square().mean().backward()
        norms.append(float(nn.utils.clip_grad_norm_(usual.parameters(), 0.5)))
        adam.step()
    assert min(norms) < 0.5 < max(norms)
    for one, other in zip(mine.parameters(), usual.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)
    steps.release()
    storages = {part.untyped_storage().data_ptr() for part in mine.parameters()}
    assert len(storages) == 4, "each has memory of its own again"


def test_parameters_without_gradient_are_not_trained():
    model = Lines()
    stepper(model).step(model.a.sum())
    assert model.fixed.tolist() == [1.0] * 5
    assert (model.a < 1).all()
    assert model.fixed.untyped_storage().size() == 20
