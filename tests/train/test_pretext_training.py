"""Training on pretext tasks: it lowers its losses, reads no label, and resumes after a kill."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from rock_salts import interrupt_before
from safetensors.torch import load_file
from small_pretraining import MODEL, TRAINING, outputs

from sitenet.model.saving import load_model
from sitenet.options.infomax import PretextSettings
from sitenet.options.training import PretrainingSettings
from sitenet.train.pretext_task import PretextTask
from sitenet.train.pretrain import Pretraining, PretrainInputs, initial_encoder, pretrain

LOSS = PretextSettings()


def loaded(
    unlabelled: PretrainInputs, folder: Path, training: PretrainingSettings = TRAINING
) -> PretextTask:
    task = Pretraining(training, folder / "history.csv", folder, "cpu", "test", unlabelled, MODEL,
                       LOSS).load_task()  # fmt: skip
    assert isinstance(task, PretextTask)
    return task


def test_both_losses_fall_and_the_encoder_is_kept(unlabelled, tmp_path):
    training = replace(TRAINING, max_epochs=25, patience=25)
    pretrain(unlabelled, outputs(tmp_path), MODEL, LOSS, training)
    history = pd.read_csv(tmp_path / "history.csv")
    first, last = history.iloc[0], history.iloc[-1]
    for name in ("computed", "hidden", "total"):
        assert last[f"train_{name}"] < 0.9 * first[f"train_{name}"]
    total = LOSS.computed * history.val_computed + LOSS.hidden * history.val_hidden
    np.testing.assert_allclose(history.val_total, total, rtol=1e-5)
    assert load_model(tmp_path / "model.safetensors").settings == MODEL
    assert json.loads((tmp_path / "model.json").read_text())["pretext"] == LOSS.to_dict()
    weights = load_file(tmp_path / "model.safetensors")
    untrained = initial_encoder(MODEL, TRAINING.seed).state_dict()
    assert set(weights) == set(untrained)
    assert torch.equal(weights["decoder.weight"], untrained["decoder.weight"])
    assert not torch.equal(weights["site_input.linear.weight"],
                           untrained["site_input.linear.weight"])  # fmt: skip


def test_what_is_hidden_depends_on_crystal_and_epoch_only(unlabelled, tmp_path):
    few, many = (loaded(unlabelled, tmp_path, replace(TRAINING, batch_sites=size))
                 for size in (5, 50))  # fmt: skip
    for task in (few, many):
        task.start_epoch(3)
    torch.testing.assert_close(few.draws["train"], many.draws["train"], rtol=0, atol=0)
    torch.testing.assert_close(few.draws["val"], many.draws["val"], rtol=0, atol=0)
    before = few.draws["train"], few.draws["val"]
    few.start_epoch(4)
    assert not torch.equal(few.draws["train"], before[0])
    assert torch.equal(few.draws["val"], before[1])
    assert 0.2 < (before[0] >= 0).double().mean() < 0.8  # half of 44


def test_a_killed_training_continues_as_if_undisturbed(unlabelled, tmp_path, monkeypatch):
    pretrain(unlabelled, outputs(tmp_path / "whole"), MODEL, LOSS, TRAINING)
    with monkeypatch.context() as patch:
        interrupt_before(patch, 3)
        with pytest.raises(RuntimeError, match="killed"):
            pretrain(unlabelled, outputs(tmp_path / "cut"), MODEL, LOSS, TRAINING)
    pretrain(unlabelled, outputs(tmp_path / "cut"), MODEL, LOSS, TRAINING)
    whole, cut = (load_file(tmp_path / k / "model.safetensors") for k in ("whole", "cut"))
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


def test_streamed_crystals_have_their_own_targets(unlabelled, tmp_path):
    """Rows of the targets are those of the crystals, however these are read."""
    memory = loaded(unlabelled, tmp_path)
    streamed = loaded(unlabelled, tmp_path, replace(TRAINING, memory_gib=1e-6))
    assert type(memory.train_batches.store) is not type(streamed.train_batches.store)
    losses = []
    for task in (memory, streamed):
        found = {}
        for crystals, indices, _ in task.validation_batches:
            computed, _ = task.model(crystals, task.targets[indices], task.draws["val"][indices])
            names = [task.validation_batches.store.ids[k] for k in indices]
            found |= dict(zip(names, computed.tolist(), strict=True))
        losses.append(found)
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert len(losses[0]) > 3


def test_the_loss_of_shares_adds_up_to_that_of_the_batch(unlabelled, tmp_path):
    """The mean over two processes, of their parts times their weights, is that over the batch."""
    task = loaded(unlabelled, tmp_path)
    task.start_epoch(0)
    alone = [task.train_step(batch, 0, 0).loss.item() for batch in task.train_batches]
    shared = np.zeros(len(alone))
    task.train_batches.world = 2
    for task.train_batches.rank in range(2):
        shared += [task.train_step(batch, 0, 0).loss.item() / 2 for batch in task.train_batches]
    np.testing.assert_allclose(shared, alone, rtol=1e-4)
