"""Trainings that can be killed: Lightning with checkpoints, early stopping and a history."""

import logging
import resource
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.plugins.environments import LightningEnvironment

from sitenet.progress import log
from sitenet.train.callbacks import History
from sitenet.train.nodes import on_nodes
from sitenet.train.precision import DoubleBatches
from sitenet.train.processes import SharedEmbedding, SharedLog
from sitenet.train.settings import TrainingSettings


def fit(
    module: pl.LightningModule,
    settings: TrainingSettings,
    history: History,
    checkpoints: Path,
    accelerator: str,
    callbacks: Sequence[pl.Callback] = (),
) -> dict[str, Any]:
    """Run or resume a training; returns the checkpoint of its best epoch.

    The module logs what `history` watches. A run that was killed continues after its last
    finished epoch, exactly as if undisturbed.
    """
    _quiet()
    resumed = _readable(checkpoints / "last.ckpt", history.label)
    extra = [SharedEmbedding(), SharedLog()] if settings.processes > 1 else []
    work = partial(
        run, module, settings, history, checkpoints, accelerator, [*extra, *callbacks], resumed
    )
    if settings.nodes == 1:
        work()
    else:
        on_nodes(settings.nodes, work, checkpoints)
    best, last = (
        torch.load(checkpoints / name, map_location="cpu", weights_only=True)
        for name in ("best.ckpt", "last.ckpt")
    )
    # With several devices the epochs were counted in other processes.
    history.load_state_dict(last["callbacks"][history.state_key])
    return best


def run(
    module: pl.LightningModule,
    settings: TrainingSettings,
    history: History,
    checkpoints: Path,
    accelerator: str,
    callbacks: Sequence[pl.Callback],
    resumed: Path | None,
) -> None:
    """The training itself, on this machine's share of the devices."""
    # Two keepers, since Lightning's `save_last` only follows the best one.
    keepers = [
        ModelCheckpoint(
            checkpoints,
            filename=name,
            monitor=monitor,
            enable_version_counter=False,
            save_on_train_epoch_end=True,
        )
        for name, monitor in (("best", history.watched), ("last", None))
    ]
    stopper = EarlyStopping(
        history.watched, patience=settings.patience, check_on_train_epoch_end=True
    )
    double = settings.precision == "64-true"
    trainer = pl.Trainer(
        accelerator=accelerator,
        devices=settings.devices,
        num_nodes=settings.nodes,
        # The pre-training leaves the layers of the prediction without a gradient.
        strategy="auto" if settings.processes == 1 else "ddp_spawn_find_unused_parameters_true",
        precision=None if double else settings.precision,
        # In a Slurm job Lightning would take the ranks from Slurm, and ignore SIGTERM.
        plugins=[LightningEnvironment(), *([DoubleBatches()] if double else [])],
        max_epochs=settings.max_epochs,
        gradient_clip_val=settings.gradient_clip,
        callbacks=[history, stopper, *keepers, *callbacks],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        deterministic="warn" if accelerator != "cpu" else False,
    )
    trainer.fit(module, ckpt_path=resumed, weights_only=True)


def _readable(checkpoint: Path, label: str) -> Path | None:
    """`checkpoint` if it is whole; a broken one is deleted with a warning."""
    if not checkpoint.exists():
        return None
    try:
        epoch = torch.load(checkpoint, map_location="cpu", weights_only=True)["epoch"]
    except Exception as error:  # torch raises many kinds for truncated files
        log.warning(f"{checkpoint} is damaged ({type(error).__name__}): starting over without it")
        checkpoint.unlink()
        return None
    log.info(f"{label}: continuing after epoch {epoch + 1}, from {checkpoint}")
    return checkpoint


def peak_memory(accelerator: str) -> int:
    """Largest memory of this process so far, bytes: on the GPU, else resident."""
    if accelerator in ("gpu", "cuda"):
        return int(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def device_name(accelerator: str) -> str:
    """What was computed on, for the record."""
    if accelerator in ("gpu", "cuda"):
        return torch.cuda.get_device_name()
    return f"cpu ({torch.get_num_threads()} threads)"


def _quiet() -> None:
    """Silence Lightning's advice that does not apply to batches made by index arithmetic."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"lightning\..*")
