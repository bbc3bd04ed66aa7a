"""Running a training: in this process, in several of this machine, or on several machines."""

import os
import socket
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from sitenet.progress import log_file
from sitenet.train.checkpoints import LAST, newest_checkpoint, read_checkpoint
from sitenet.train.devices import device_name, peak_memory, torch_device
from sitenet.train.loop import OnEpoch, Trained, train_epochs
from sitenet.train.nodes import start_nodes
from sitenet.train.task import Task
from sitenet.train.training import Training
from sitenet.train.workers import Rendezvous, start_workers

FEW = 4
"""CPU processes that may share the batches even on a machine with fewer processors, for tests."""


def train_here(training: Training, task: Task, on_epoch: Sequence[OnEpoch] = ()) -> Trained:
    """Train `task`, loaded by `training`, in this process; continue where a kill interrupted it.

    `on_epoch` is called after each epoch.
    """
    return train_epochs(
        task,
        training.settings,
        torch_device(training.accelerator),
        training.checkpoints,
        newest_checkpoint(training.checkpoints, training.label),
        [training.report(), *on_epoch],
    )


def train_task(training: Training, task: Task) -> Trained:
    """Train `task`, loaded by `training`, in as many processes as the settings say.

    Several processes load it themselves, and the one of the caller waits for them.

    Raises:
        RuntimeError: a process or a machine failed, or there is no Slurm for several machines.
    """
    settings, folder = training.settings, training.checkpoints
    if settings.processes == 1:
        return train_here(training, task)
    _require_devices(settings.devices, training.accelerator)
    host = "localhost" if settings.nodes == 1 else socket.gethostname()
    # Opened here, it finds a free port without a race.
    store = dist.TCPStore(host, 0, is_master=True, wait_for_workers=False)
    rendezvous = Rendezvous(host, store.port, newest_checkpoint(folder, training.label), log_file())
    if settings.nodes == 1:
        start_workers(training, rendezvous)
    else:
        start_nodes(training, rendezvous)
    content = read_checkpoint(folder / LAST)
    return Trained(task.new_history(content["rows"]), content["best"])


def _require_devices(wanted: int, accelerator: str) -> None:
    """Raise RuntimeError if this machine has fewer GPUs, or processors, than `devices` asks for."""
    if torch_device(accelerator).type == "cuda":
        present, kind = torch.cuda.device_count(), "GPUs"
    else:
        present, kind = max(os.cpu_count() or 1, FEW), "processors"
    if wanted > present:
        raise RuntimeError(f"devices: {wanted}, but there are {present} {kind}: lower `devices`")


def training_record(trained: Trained, task: Task, accelerator: str) -> dict[str, Any]:
    """What any training leaves in its metrics: epochs, speed, time and memory."""
    rows = trained.history.rows
    return {
        "epochs": len(rows),
        "best_epoch": trained.history.best()["epoch"],
        "structures_per_second": float(np.median([row["structures_per_second"] for row in rows])),
        "seconds": float(sum(row["seconds"] for row in rows)),
        "peak_memory_bytes": peak_memory(accelerator),
        "device": device_name(accelerator),
        "parameters": sum(p.numel() for p in task.model.parameters()),
    }
