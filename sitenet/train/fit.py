"""Trainings that can be killed: Lightning with checkpoints, early stopping and a history."""

import logging
import resource
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins.environments import LightningEnvironment
from torch import Tensor

from sitenet.options.training import TrainingSettings
from sitenet.train.best import Best, Patience
from sitenet.train.callbacks import History
from sitenet.train.checkpoints import LAST, WholeCheckpoints, newest, read
from sitenet.train.nodes import on_nodes
from sitenet.train.precision import DoubleBatches
from sitenet.train.processes import SharedEmbedding, SharedLog


def fit(
    module: pl.LightningModule,
    settings: TrainingSettings,
    history: History,
    checkpoints: Path,
    accelerator: str,
    callbacks: Sequence[pl.Callback] = (),
) -> dict[str, Tensor]:
    """Run or resume a training; returns the weights of `module` after its best epoch.

    The module logs what `history` watches. A run that was killed continues after its last
    finished epoch, exactly as if undisturbed.
    """
    _quiet()
    resumed = newest(checkpoints, history.label)
    best = Best(history)
    extra = [SharedEmbedding(), SharedLog()] if settings.processes > 1 else []
    work = partial(
        run,
        module,
        settings,
        history,
        checkpoints,
        accelerator,
        [best, *extra, *callbacks],
        resumed,
    )
    if settings.nodes == 1:
        work()
    else:
        on_nodes(settings.nodes, work, checkpoints)
    # With several devices the epochs were counted in other processes.
    states = read(checkpoints / LAST)["callbacks"]
    history.load_state_dict(states[history.state_key])
    best.load_state_dict(states[best.state_key])
    return best.weights


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
    keeper = ModelCheckpoint(
        checkpoints,
        filename=Path(LAST).stem,
        enable_version_counter=False,
        save_on_train_epoch_end=True,
    )
    stopper = Patience(history.watched, patience=settings.patience, check_on_train_epoch_end=True)
    double = settings.precision == "64-true"
    # Determinism would otherwise fill every new tensor before it is written.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    trainer = pl.Trainer(
        accelerator=accelerator,
        devices=settings.devices,
        num_nodes=settings.nodes,
        # The pre-training leaves the layers of the prediction without a gradient.
        strategy="auto" if settings.processes == 1 else "ddp_spawn_find_unused_parameters_true",
        precision=None if double else settings.precision,
        # In a Slurm job Lightning would take the ranks from Slurm, and ignore SIGTERM.
        plugins=[
            LightningEnvironment(),
            WholeCheckpoints(),
            *([DoubleBatches()] if double else []),
        ],
        max_epochs=settings.max_epochs,
        gradient_clip_val=settings.gradient_clip,
        callbacks=[history, stopper, keeper, *callbacks],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        deterministic="warn" if accelerator != "cpu" else False,
    )
    trainer.fit(module, ckpt_path=resumed, weights_only=True)


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
