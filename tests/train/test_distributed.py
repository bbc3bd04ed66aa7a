"""Several processes that share a training do what one process does."""

import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rock_salts import MODEL, TRAINING, outputs
from safetensors.torch import load_file
from small_pretraining import LOSS
from small_pretraining import MODEL as ENCODER
from small_pretraining import outputs as pretraining_outputs

from sitenet.options.infomax import PretextSettings
from sitenet.options.training import PretrainingSettings
from sitenet.progress import setup_logging
from sitenet.shards.packing import shared_out
from sitenet.shards.store import CrystalStore
from sitenet.splits.held_out import Evaluation, HeldOut
from sitenet.train.batches import Packs
from sitenet.train.nodes import from_plain
from sitenet.train.pretrain import Pretraining, PretrainInputs, pretrain
from sitenet.train.supervised import SupervisedTraining, train
from sitenet.train.workers import Rendezvous

EXACT = replace(TRAINING, precision="64-true", max_epochs=3)


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=60), st.integers(1, 8))
def test_a_batch_is_shared_evenly_and_completely(work, parts):
    work = np.array(work)
    shares = shared_out(np.arange(len(work)), work, parts)
    assert sorted(np.concatenate(shares).tolist()) == list(range(len(work)))
    assert all((np.diff(share) > 0).all() for share in shares)
    assert sum(len(share) == 0 for share in shares) == max(0, parts - len(work))
    loads = [work[share].sum() for share in shares]
    assert max(loads) - min(loads) <= work.max()


def test_batches_do_not_depend_on_the_number_of_processes(labelled):
    store = CrystalStore.from_shards(labelled.shards)
    indices = torch.arange(1, len(store), 2)

    def epoch(rank: int, world: int) -> list[tuple[torch.Tensor, float]]:
        packs = Packs(store, indices, batch_sites=12, shuffle=0)
        packs.rank, packs.world = rank, world
        return list(packs.packs())

    whole, shared = epoch(0, 1), [epoch(rank, 4) for rank in range(4)]
    sizes = set()
    for number, (batch, weight) in enumerate(whole):
        assert weight == 1
        parts = [ranks[number] for ranks in shared]
        kept = [crystals for crystals, part in parts if part > 0]
        assert sorted(torch.cat(kept).tolist()) == sorted(batch.tolist())
        weights = [part * len(batch) / 4 for _, part in parts]
        counts = [len(crystals) if part > 0 else 0 for crystals, part in parts]
        assert weights == pytest.approx(counts)
        assert all(len(crystals) > 0 for crystals, _ in parts)
        sizes.add(len(batch))
    assert min(sizes) < 4 < max(sizes), (
        "both cases are wanted: processes without a crystal, and not"
    )


SRUN = """#!/bin/sh
while [ "${1#--}" != "$1" ]; do shift; done
SLURM_NODEID=0 "$@" & first=$!
SLURM_NODEID=1 "$@" && wait $first
"""


@pytest.fixture(scope="module")
def alone(labelled, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one process."""
    folder = tmp_path_factory.mktemp("alone")
    train(labelled, outputs(folder), MODEL, EXACT)
    return folder


@pytest.mark.parametrize(("devices", "nodes"), [(2, 1), (1, 2)])
def test_two_processes_train_the_model_of_one(
    labelled,
    alone: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    devices: int,
    nodes: int,
):
    """The same batches, so the same losses, gradients and weights; and their epochs are told.

    Two machines are two processes of this one, started in the place of srun.
    """
    srun = tmp_path / "srun"
    srun.write_text(SRUN)
    srun.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    setup_logging(tmp_path / "log")
    settings = replace(EXACT, devices=devices, nodes=nodes)
    train(labelled, outputs(tmp_path), MODEL, settings)
    one, two = (load_file(folder / "model.safetensors") for folder in (alone, tmp_path))
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=1e-6, atol=1e-7)
    columns = ["epoch", "train_mae", "val_mae", "learning_rate"]
    one, two = (pd.read_csv(folder / "history.csv")[columns] for folder in (alone, tmp_path))
    pd.testing.assert_frame_equal(one, two, rtol=1e-9)
    assert json.loads((tmp_path / "metrics.json").read_text())["epochs"] == 3
    lines = (tmp_path / "log").read_text()
    assert lines.count("epoch 3/3") == 1
    assert lines.count("test MAE") == 1
    assert all(re.match(r"\d{4}-\d\d-\d\d .* INFO ", line) for line in lines.splitlines())


def test_a_worker_that_dies_ends_the_training(labelled, tmp_path: Path):
    """The others end too. Workers are children of the job, which ends them with itself."""
    others = set(multiprocessing.active_children())  # of earlier tests

    def kill() -> None:
        while not (tmp_path / "history.csv").exists():
            time.sleep(0.05)
        workers = set(multiprocessing.active_children()) - others
        os.kill(workers.pop().pid, signal.SIGKILL)

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    settings = replace(EXACT, devices=2, max_epochs=10_000, patience=10_000)
    with pytest.raises(RuntimeError, match="process of the training failed"):
        train(labelled, outputs(tmp_path), MODEL, settings)
    thread.join(60)
    assert set(multiprocessing.active_children()) <= others


PROGRAM = """
import json, sys
from sitenet.train.nodes import from_plain
from sitenet.train.launch import train_task
from sitenet.train.supervised import SupervisedTraining
training = from_plain(SupervisedTraining, json.loads(sys.argv[1]))
train_task(training, training.load_task())
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc of Linux")
def test_workers_end_with_their_parent(labelled, tmp_path: Path):
    """Else a job that was killed would go on beside its next run."""
    settings = replace(EXACT, devices=2, max_epochs=10_000, patience=10_000)
    training = SupervisedTraining(settings, tmp_path / "history.csv", tmp_path / "checkpoints",
                                  "cpu", "run", labelled, MODEL)  # fmt: skip
    given = json.dumps(asdict(training), default=str)
    with subprocess.Popen([sys.executable, "-c", PROGRAM, given]) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        while not (tmp_path / "history.csv").exists():
            assert process.poll() is None
            time.sleep(0.05)
        workers = [Path("/proc", pid) for pid in children.read_text().split()]
        process.kill()
    assert len(workers) >= 2
    deadline = time.monotonic() + 20
    while any(worker.exists() for worker in workers):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_error_of_a_worker_is_that_of_the_training(labelled, tmp_path: Path):
    none = HeldOut(labelled.structures)
    given = PretrainInputs(labelled.shards, labelled.split, none, labelled.features)
    settings = replace(TRAINING, batch_sites=1, max_epochs=1, devices=2)
    message = "a process of the training failed: ValueError: no batch of the train part .* now 1$"
    with pytest.raises(RuntimeError, match=message):
        pretrain(given, pretraining_outputs(tmp_path), ENCODER, LOSS, settings)


def test_trainings_are_described_as_json(labelled, tmp_path: Path):
    """What machines are told: the same values, and nothing that would be run."""
    tested = (Evaluation(labelled.structures, labelled.split),)
    held_out = HeldOut(labelled.structures, (tmp_path,), tested)
    unlabelled = PretrainInputs(labelled.shards, labelled.split, held_out, labelled.features)
    common = (tmp_path / "history.csv", tmp_path / "checkpoints", "cpu", "label")
    without_labels = PretrainingSettings(precision="64-true", nodes=3)
    model = replace(MODEL, cutoff=4.5, attention_layers=())
    for described in (
        SupervisedTraining(EXACT, *common, replace(labelled, held_out=held_out), model),
        Pretraining(without_labels, *common, unlabelled, ENCODER, LOSS),
        Pretraining(without_labels, *common, unlabelled, ENCODER, PretextSettings(hidden=0.5)),
        Rendezvous("host", 1234, tmp_path / "last.ckpt", None),
    ):
        text = json.dumps(asdict(described), default=str)
        again = from_plain(type(described), json.loads(text))
        assert again == described
        assert hash(again) == hash(described)  # tuples, not lists


def test_several_machines_without_slurm_are_refused(
    labelled,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RuntimeError, match="there is no srun"):
        train(labelled, outputs(tmp_path), MODEL, replace(EXACT, nodes=2))


def test_two_processes_share_a_pre_training(labelled, tmp_path: Path):
    """Validation is that of one process; training draws are of the parts, so only alike."""
    none = HeldOut(labelled.structures)
    given = PretrainInputs(labelled.shards, labelled.split, none, labelled.features)
    for devices in (1, 2):
        settings = replace(TRAINING, learning_rate=1e-12, max_epochs=1, devices=devices)
        pretrain(given, pretraining_outputs(tmp_path / str(devices)), ENCODER, LOSS, settings)
    one, two = (load_file(tmp_path / k / "model.safetensors") for k in "12")
    for name in one:
        if name.startswith(("head_layers", "decoder")):  # no loss depends on them
            assert torch.equal(one[name], two[name])
        torch.testing.assert_close(one[name], two[name], rtol=1e-6, atol=1e-7)
    one, two = (pd.read_csv(tmp_path / k / "history.csv").iloc[0] for k in "12")
    assert two.val_total == pytest.approx(one.val_total, rel=1e-5)
    assert two.train_total == pytest.approx(one.train_total, rel=0.1)
