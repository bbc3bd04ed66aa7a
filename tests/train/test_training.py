"""Supervised runs: they learn, resume exactly after a kill, and leave whole files."""

import copy
import json
import math
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
import torch
from rock_salts import MODEL, TRAINING, interrupt_before, outputs
from safetensors.torch import load_file

from sitenet.model.saving import load_model
from sitenet.model.sitenet import SiteNet
from sitenet.options.training import TrainingSettings
from sitenet.train import loop
from sitenet.train.checkpoints import Checkpoints
from sitenet.train.history import History
from sitenet.train.optimiser import make_optimiser, make_schedule
from sitenet.train.supervised import RunInputs, SupervisedTraining, train, train_watched


def test_a_run_learns_and_writes_everything(labelled: RunInputs, tmp_path: Path):
    training = replace(TRAINING, max_epochs=40, patience=40)
    train(labelled, outputs(tmp_path), MODEL, training)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["splits"]["test"]["mae"] < 0.5 * metrics["baselines"]["mean"]
    history = pd.read_csv(tmp_path / "history.csv")
    assert history.epoch.tolist() == list(range(1, 41))
    assert history.epoch[history.val_mae.argmin()] == metrics["best_epoch"]
    predictions = pd.read_parquet(tmp_path / "predictions.parquet").set_index("id")
    assert len(predictions) == 55  # the cell above N is predicted, though not trained on
    val = predictions[predictions.split == "val"]
    error = (val.target - val.prediction).abs().mean()
    assert error == pytest.approx(history.val_mae.min(), rel=1e-4)
    model = load_model(tmp_path / "model.safetensors")
    assert model.settings == MODEL
    assert model.label_shift > 0
    assert not (tmp_path / "checkpoints").exists()


def test_labels_are_scaled_by_those_trained_on_alone(labelled: RunInputs, tmp_path: Path):
    """Not by those of validation, test, or a cell above N."""
    train(labelled, outputs(tmp_path), MODEL, replace(TRAINING, max_epochs=1))
    table = pd.read_parquet(labelled.structures).merge(pd.read_csv(labelled.split), on="id")
    labels = table.label[(table.split == "train") & (table.id != "large")]
    model = load_model(tmp_path / "model.safetensors")
    assert float(model.label_shift) == pytest.approx(labels.mean(), rel=1e-6)
    assert float(model.label_scale) == pytest.approx(labels.std(ddof=0), rel=1e-6)


def test_each_part_of_the_split_has_its_own_use(labelled: RunInputs, tmp_path: Path):
    training = SupervisedTraining(TRAINING, tmp_path / "history.csv", tmp_path, "cpu", "parts",
                                  labelled, MODEL)  # fmt: skip
    task = training.load_task()
    split = pd.read_csv(labelled.split)
    for batches, part in ((task.train_batches, "train"), (task.validation_batches, "val")):
        used = task.data.crystals.ids[batches.indices.numpy()]
        expected = split.id[(split.split == part) & (split.id != "large")]
        assert sorted(used) == sorted(expected)


def test_a_run_keeps_the_weights_of_its_best_epoch_not_of_the_last(
    labelled: RunInputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The second of four, as one of two epochs leaves them; the predictions are by them, too."""
    monkeypatch.setattr(History, "measure", lambda self, row: abs(row["epoch"] - 2))
    for name, epochs in (("long", 4), ("short", 2)):
        training = replace(TRAINING, schedule="constant", max_epochs=epochs)
        train(labelled, outputs(tmp_path / name), MODEL, training)
    long, short = (load_file(tmp_path / k / "model.safetensors") for k in ("long", "short"))
    assert all(torch.equal(long[name], short[name]) for name in long)
    tables = [pd.read_parquet(tmp_path / k / "predictions.parquet") for k in ("long", "short")]
    pd.testing.assert_frame_equal(*tables)


def test_cells_above_n_are_left_out_of_training(
    labelled: RunInputs, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    with caplog.at_level("INFO", logger="sitenet"):
        train(labelled, outputs(tmp_path), MODEL, replace(TRAINING, max_epochs=1))
    split = pd.read_csv(labelled.split)
    trained = (split.split == "train").sum() - 1
    assert f"{trained} training" in caplog.text


def test_a_killed_run_continues_as_if_undisturbed(
    labelled: RunInputs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    train(labelled, outputs(tmp_path / "whole"), MODEL, TRAINING)
    with monkeypatch.context() as patch:
        interrupt_before(patch, 3)
        with pytest.raises(RuntimeError, match="killed"):
            train(labelled, outputs(tmp_path / "cut"), MODEL, TRAINING)
    assert not (tmp_path / "cut" / "metrics.json").exists()
    with caplog.at_level("INFO", logger="sitenet"):
        train(labelled, outputs(tmp_path / "cut"), MODEL, TRAINING)
    assert "continuing after epoch 3" in caplog.text
    whole, cut = (load_file(tmp_path / k / "model.safetensors") for k in ("whole", "cut"))
    assert all(torch.equal(whole[name], cut[name]) for name in whole)
    rows = [pd.read_csv(tmp_path / k / "history.csv")[["epoch", "train_mae", "val_mae",
                                                       "learning_rate"]]
            for k in ("whole", "cut")]  # fmt: skip
    pd.testing.assert_frame_equal(*rows)


def test_a_damaged_checkpoint_is_told_and_dropped(
    labelled: RunInputs, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    files = outputs(tmp_path)
    files.checkpoints.mkdir()
    (files.checkpoints / "last.ckpt").write_bytes(b"PK\x03\x04 cut off")
    with caplog.at_level("WARNING", logger="sitenet"):
        train(labelled, files, MODEL, replace(TRAINING, max_epochs=1))
    assert "damaged" in caplog.text
    assert files.metrics.exists()


def test_patience_stops_a_run_that_no_longer_improves(labelled: RunInputs, tmp_path: Path):
    frozen = replace(TRAINING, learning_rate=1e-30, weight_decay=0.0, max_epochs=50, patience=2)
    train(labelled, outputs(tmp_path), MODEL, frozen)
    assert len(pd.read_csv(tmp_path / "history.csv")) == 3


def test_a_watched_training_is_the_usual_one_without_results(
    labelled: RunInputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """It reports every epoch, and continues where it was stopped."""
    monkeypatch.setattr(Checkpoints, "due", lambda self: True)
    train(labelled, outputs(tmp_path / "whole"), MODEL, TRAINING)
    reported: list[float] = []

    def report(history: History) -> None:
        reported.append(history.rows[-1]["val_mae"])
        if len(reported) == 3:
            raise RuntimeError("stopped")

    folder = tmp_path / "watched"
    with pytest.raises(RuntimeError, match="stopped"):
        train_watched(labelled, MODEL, TRAINING, folder, "cpu", report)
    history = train_watched(labelled, MODEL, TRAINING, folder, "cpu", report)
    whole = pd.read_csv(tmp_path / "whole" / "history.csv", float_precision="round_trip")
    errors = whole.val_mae.tolist()
    assert [row["val_mae"] for row in history.rows] == errors
    assert reported == errors[:3] + errors[2:]
    assert {path.name for path in folder.iterdir()} == {"history.csv", "checkpoints"}


def test_the_same_seed_gives_the_same_model(labelled: RunInputs, tmp_path: Path):
    short = replace(TRAINING, max_epochs=2)
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train(labelled, outputs(tmp_path / name), MODEL, replace(short, seed=seed))
    a, b, c = (load_file(tmp_path / name / "model.safetensors") for name in "abc")
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not torch.equal(a["decoder.weight"], c["decoder.weight"])


def test_bfloat16_runs(labelled: RunInputs, tmp_path: Path):
    train(
        labelled,
        outputs(tmp_path),
        MODEL,
        replace(TRAINING, precision="bf16-mixed", max_epochs=2),
    )
    assert load_file(tmp_path / "model.safetensors")["decoder.weight"].dtype == torch.float32


class OnGpu(torch.nn.Parameter):
    """A parameter that says it is on a GPU."""

    is_cuda = True


@pytest.mark.parametrize("amsgrad", [True, False])
def test_the_optimiser_is_that_of_pytorch(amsgrad: bool):
    settings = TrainingSettings(learning_rate=0.1, weight_decay=0.1, amsgrad=amsgrad)
    weights = [torch.nn.Parameter(torch.linspace(-2, 2, 7).double()) for _ in range(2)]
    mine = make_optimiser(torch.nn.ParameterList([weights[0]]), settings)
    usual = torch.optim.AdamW([weights[1]], 0.1, weight_decay=0.1, amsgrad=amsgrad, eps=1e-7)
    for step in range(20):
        for weight, optimiser in zip(weights, (mine, usual), strict=True):
            optimiser.zero_grad()
            assert weight.grad is None
            weight.grad = torch.sin(weight.detach() + step)
            optimiser.step()
        if step == 9:
            mine.load_state_dict(copy.deepcopy(usual.state_dict()))
    torch.testing.assert_close(*weights, rtol=1e-12, atol=1e-12)
    assert weights[0].requires_grad


def test_the_optimiser_takes_one_pass_unless_its_gradients_could_not_be_clipped():
    for kind, precision, fused in (
        (torch.nn.Parameter, "32-true", True),
        (torch.nn.Parameter, "16-mixed", True),
        (OnGpu, "bf16-mixed", True),
        (OnGpu, "16-mixed", False),
    ):
        model = torch.nn.Module()
        model.weight = kind(torch.ones(2))
        optimiser = make_optimiser(model, TrainingSettings(precision=precision))
        assert optimiser.param_groups[0]["fused"] is fused


STEP = """
import sys, torch
from sitenet.options.training import TrainingSettings
from sitenet.train.optimiser import make_optimiser, make_schedule
import sitenet.train.pretrain, sitenet.train.supervised, sitenet.train.transfer
line = torch.nn.Linear(1, 1)
optimiser = make_optimiser(line, TrainingSettings())
line(torch.ones(1, 1)).sum().backward()
optimiser.step()
make_schedule(optimiser, TrainingSettings(), 1).step()
optimiser.load_state_dict(optimiser.state_dict())
print(*{"torch._dynamo", "sklearn", "scipy", "matplotlib", "pymatgen", "ray"} & set(sys.modules))
"""


def test_a_training_starts_without_what_it_does_not_need():
    """Each of these takes as long to import as PyTorch, or half as long."""
    done = subprocess.run([sys.executable, "-c", STEP], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_a_fused_optimiser_is_clipped_in_mixed_precision(labelled, tmp_path, monkeypatch):
    monkeypatch.setattr(
        loop,
        "make_optimiser",
        lambda model, settings: torch.optim.SGD(model.parameters(), 1e-2, fused=True),
    )
    moved = []
    for clip in (1.0, 1e-4):
        training = replace(TRAINING, precision="bf16-mixed", max_epochs=1, gradient_clip=clip)
        train(labelled, outputs(tmp_path / str(clip)), MODEL, training)
        weights = load_file(tmp_path / str(clip) / "model.safetensors")
        torch.manual_seed(0)
        start = SiteNet(MODEL).state_dict()
        moved.append(float((weights["decoder.weight"] - start["decoder.weight"]).norm()))
    assert moved[1] < 1e-2 * moved[0]


def test_the_schedule_warms_up_and_ends_at_zero():
    settings = TrainingSettings(learning_rate=1.0, warmup_epochs=1, max_epochs=10)
    optimiser = make_optimiser(torch.nn.Linear(1, 1), settings)
    schedule = make_schedule(optimiser, settings, steps_per_epoch=4)
    rates = []
    for _ in range(41):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    assert rates[0] == pytest.approx(0.2)
    assert max(rates) == pytest.approx(1.0)
    assert rates[40] == pytest.approx(0.0, abs=1e-12)
    assert all(a >= b for a, b in pairwise(rates[5:]))
    cosine = [0.5 * (1 + math.cos(math.pi * step / 36)) for step in (0, 9, 18, 27)]
    assert [rates[4 + step] for step in (0, 9, 18, 27)] == pytest.approx(cosine)
