"""The training loop: every training of this package, from its first step to its last epoch.

An epoch is one pass over the training batches, one over the validation batches, a row of the
history and, now and then, a checkpoint. A training that was killed continues after its last
checkpoint, exactly as if undisturbed: batches and random numbers follow from seed, epoch and batch
alone, and everything else is in the checkpoint.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from sitenet.model.flat import FlatParameters
from sitenet.options.training import LoopSettings
from sitenet.train.batches import Packs
from sitenet.train.checkpoints import Checkpoints, read_checkpoint
from sitenet.train.devices import prepare_device, synchronise
from sitenet.train.distributed import ALONE, Group
from sitenet.train.history import History
from sitenet.train.optimiser import make_optimiser, make_schedule
from sitenet.train.precision import Precision
from sitenet.train.task import Batch, Found, Task

OnEpoch = Callable[[History], None]


class Trained(NamedTuple):
    """The epochs of a training, and the weights after the best of them, on the CPU."""

    history: History
    weights: dict[str, Tensor]


def train_epochs(
    task: Task,
    settings: LoopSettings,
    device: torch.device,
    folder: Path | None = None,
    resumed: Path | None = None,
    on_epoch: Sequence[OnEpoch] = (),
    group: Group = ALONE,
) -> Trained:
    """Train until `max_epochs`, or until the measure of validation crystals no longer falls.

    Args:
        task: the model, which is trained in place, and its batches.
        settings: of optimiser, schedule, precision and patience.
        device: where this process computes.
        folder: of the checkpoints; None keeps none.
        resumed: checkpoint to continue from.
        on_epoch: called in the first process after each epoch, before its checkpoint; in a
            training that was killed again for the epochs that it repeats.
        group: the processes that share every batch.
    """
    prepare_device(device)
    precision = Precision(settings.precision, device)
    if precision.double:
        task.model.double()
    task.start(device, group)
    stepper = Stepper(task.model, settings, len(task.train_batches), precision, group)
    task.flatten(stepper.parameters)
    history, best = task.new_history(), dict[str, Tensor]()
    checkpoints = None if folder is None else Checkpoints(folder)
    if resumed is not None:
        kept = read_checkpoint(resumed)
        task.model.load_state_dict(kept["model"])
        stepper.load_state_dict(kept["stepper"])
        history, best = task.new_history(kept["rows"]), kept["best"]
    group.copy_weights(task.model)
    finished = history.finished(settings.max_epochs, settings.patience)
    if finished and group.rank == 0:
        for report in on_epoch:  # of a training that was killed at its end; its table may be gone
            report(history)
    while not finished:
        history.rows.append(_epoch(task, stepper, len(history.rows), device))
        if history.best() is history.rows[-1]:
            best = {k: v.detach().cpu().clone() for k, v in task.model.state_dict().items()}
        finished = history.finished(settings.max_epochs, settings.patience)
        if group.rank > 0:
            continue
        for report in on_epoch:
            report(history)
        if checkpoints is not None and (finished or checkpoints.due()):
            # The best weights are part of the checkpoint: in a file of their own they could be of
            # another epoch than the one that a killed run continues after.
            content = {"model": task.model.state_dict(), "stepper": stepper.state_dict()}
            checkpoints.save(content | {"rows": history.rows, "best": best})
    task.stop()
    stepper.release()
    return Trained(history, best)


def _epoch(task: Task, stepper: "Stepper", epoch: int, device: torch.device) -> dict[str, float]:
    """Train and validate once; the row of the history. `epoch` counts from 0, in the row from 1."""
    group, model = stepper.group, task.model
    start = time.monotonic()
    task.start_epoch(epoch)
    model.train()
    total = Total(task, device)
    for number, batch in enumerate(task.train_batches):
        total.add(train_batch(task, stepper, batch, epoch, number))
    synchronise(device)
    seconds = time.monotonic() - start
    measured = total.means("train", group)
    model.eval()
    group.copy_weights(model)  # running statistics of batch norm are of the part of each process
    if task.validation_batches is not None:
        measured |= _validation(task, task.validation_batches, stepper, device)
    return {
        "epoch": epoch + 1,
        **measured,
        "learning_rate": stepper.learning_rate,
        "seconds": time.monotonic() - start,
        "structures_per_second": len(task.train_batches.indices) / seconds,
    }


def _validation(
    task: Task, batches: Packs, stepper: "Stepper", device: torch.device
) -> dict[str, float]:
    """Means of the measures over the validation crystals."""
    precision, group = stepper.precision, stepper.group
    total = Total(task, device)
    with torch.inference_mode():
        for number, batch in enumerate(batches):
            group.rescale_embeddings(task.model, batch[0].numbers)
            with precision.forward():
                total.add(task.validation_step(precision.cast(batch), number))
    return total.means("val", group)


def train_batch(task: Task, stepper: "Stepper", batch: Batch, epoch: int, number: int) -> Found:
    """One step on the `number`-th batch of an epoch."""
    stepper.group.rescale_embeddings(task.model, batch[0].numbers)
    with stepper.precision.forward():
        found = task.train_step(stepper.precision.cast(batch), epoch, number)
    stepper.step(found.loss)
    return found


class Total:
    """Sums of the measures of a task over an epoch, on the device: reading them would wait."""

    def __init__(self, task: Task, device: torch.device) -> None:
        self.task, self.crystals = task, 0
        self.sums = torch.zeros(len(task.measures), dtype=torch.float64, device=device)

    def add(self, found: Found) -> None:
        """Add a batch."""
        self.sums = self.sums + found.sums
        self.crystals += found.crystals

    def means(self, part: str, group: Group) -> dict[str, float]:
        """Means over the crystals of all processes."""
        total = torch.cat([self.sums, self.sums.new_tensor([self.crystals])])
        *sums, crystals = group.sum(total).tolist()
        return self.task.means(part, sums, crystals)


class Stepper:
    """Optimiser, schedule and scale of the gradients: all of a step that outlives it."""

    def __init__(
        self,
        model: nn.Module,
        settings: LoopSettings,
        steps_per_epoch: int,
        precision: Precision,
        group: Group,
    ) -> None:
        self.precision, self.group = precision, group
        self.parameters = FlatParameters(model)
        self.largest_norm = settings.gradient_clip
        self.optimiser = make_optimiser(self.parameters, settings)
        self.schedule = make_schedule(self.optimiser, settings, steps_per_epoch)
        self.scaler = precision.scaler
        self.parts: dict[str, Any] = {
            "optimiser": self.optimiser,
            "schedule": self.schedule,
            "scaler": self.scaler,
        }

    def step(self, loss: Tensor) -> None:
        """Descend the mean of the losses of all processes."""
        self.parameters.differentiate(self.scaler.scale(loss))
        self.group.average(self.parameters.gradient)
        self.scaler.unscale_(self.optimiser)
        self.parameters.clip(self.largest_norm)
        self.scaler.step(self.optimiser)  # not where a gradient is not finite
        self.scaler.update()
        self.schedule.step()

    def release(self) -> None:
        """Let go of the model, which may be moved from now on."""
        self.parameters.release()

    @property
    def learning_rate(self) -> float:
        """That of the next step."""
        return self.optimiser.param_groups[0]["lr"]

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint needs."""
        return {name: part.state_dict() for name, part in self.parts.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a checkpoint."""
        for name, part in self.parts.items():
            part.load_state_dict(state[name])
