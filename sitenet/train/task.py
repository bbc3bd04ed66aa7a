"""What is trained: a model, its batches, the loss of each and the measures of an epoch."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from sitenet.model.flat import FlatParameters
from sitenet.model.sitenet import SiteNet
from sitenet.options.training import LoopSettings, TrainingSettings
from sitenet.shards.batch import RaggedBatch
from sitenet.train.batches import Batches, Packs
from sitenet.train.distributed import Group
from sitenet.train.history import History, Row
from sitenet.train.replay import ReplayedError, absolute_error, replayed_error
from sitenet.train.strain import draw_stretches, stretched

Batch = tuple[Any, ...]
"""Crystals first, their weight in the mean over the processes last (see `Packs.packs`)."""


class Found(NamedTuple):
    """A batch as computed: `loss` to descend, `sums` (K,) of the measures over `crystals`."""

    loss: Tensor
    sums: Tensor
    crystals: int


class Task(ABC):
    """Trains `model` on the batches of `train` and judges it on those of `validation`, if any.

    `measures` are the names of what is averaged over the crystals, `judged` is the one whose
    validation mean decides which epoch is the best.
    """

    measures: ClassVar[tuple[str, ...]]
    judged: ClassVar[str]

    def __init__(
        self, model: nn.Module, settings: LoopSettings, train: Packs, validation: Packs | None
    ) -> None:
        self.model, self.settings = model, settings
        self.train_batches, self.validation_batches = train, validation
        self.replayed: ReplayedError | None = None

    def start(self, device: torch.device, group: Group) -> None:
        """Move model and crystals to `device`; take the share of this process in the batches."""
        self.model.to(device)
        for batches in (self.train_batches, self.validation_batches):
            if batches is not None:
                batches.to(device)
                batches.rank, batches.world = group.rank, group.world

    def flatten(self, flat: FlatParameters) -> None:  # noqa: B027  (some tasks need not know)
        """Know the parameters of the model as one tensor."""

    def start_epoch(self, epoch: int) -> None:
        """Shuffle by the number of the epoch: a resumed run gets the same batches."""
        self.train_batches.epoch = epoch

    @abstractmethod
    def train_step(self, batch: Batch, epoch: int, number: int) -> Found:
        """Loss of the `number`-th training batch of an epoch; both count from 0."""

    @abstractmethod
    def validation_step(self, batch: Batch, number: int) -> Found:
        """The same for a validation batch, whose loss is not descended."""

    def new_history(self, rows: Sequence[Row] = ()) -> History:
        """The epochs `rows`, to be judged by the measure of this task."""
        return History(self.judged, rows, validated=self.validation_batches is not None)

    def means(self, part: str, sums: list[float], crystals: float) -> dict[str, float]:
        """Means of the measures over the crystals of all processes, named `part`_..."""
        return {f"{part}_{name}": x / crystals for name, x in zip(self.measures, sums, strict=True)}

    def stop(self) -> None:
        """Free the memory of replayed steps; from now on the model may be moved."""
        self.replayed = None


class LabelTask(Task):
    """Learns labels: mean absolute error of the clamped output (10.1039/d3dd00005b).

    The loss is in units of the label scale, the measure `mae` in the unit of the label.
    """

    measures = ("mae",)
    judged = "mae"
    model: SiteNet
    settings: TrainingSettings
    train_batches: Batches

    def __init__(
        self,
        model: SiteNet,
        settings: TrainingSettings,
        train: Batches,
        validation: Batches | None = None,
    ) -> None:
        super().__init__(model, settings, train, validation)
        self.data = train.data

    def start(self, device: torch.device, group: Group) -> None:
        """Choose how training steps are launched, too."""
        super().start(device, group)
        if (beside := self.data.beside) is not None:
            self.others = torch.from_numpy(beside.values).to(device)
            self.other_weights = torch.from_numpy(beside.weights).to(device)
        self.replayed = replayed_error(self.model, self.settings, device, self.train_batches)

    def flatten(self, flat: FlatParameters) -> None:
        """Have the gradient of most of them in one tensor."""
        if self.replayed is None:
            self.model.join(flat)

    def stop(self) -> None:
        """Let go of them, too."""
        super().stop()
        self.model.join(None)

    def start_epoch(self, epoch: int) -> None:
        """Stretch the crystals anew, too."""
        super().start_epoch(epoch)
        if strain := self.settings.strain:
            stretches = draw_stretches(len(self.data.crystals), strain, self.settings.seed, epoch)
            self.stretches = stretches.to(self.train_batches.targets.device)

    def train_step(self, batch: Batch, epoch: int, number: int) -> Found:
        """This process's part of the error of a batch; what else is learned is in the loss only."""
        crystals, target, indices, weight = batch
        if self.settings.strain:
            crystals = stretched(crystals, self.stretches[indices.to(self.stretches.device)])
        others: Tensor | float = 0.0
        if self.data.beside is not None:
            known = self.others[indices.to(self.others.device)]
            error, others = label_errors(self.model, crystals, target, known, self.other_weights)
        elif self.replayed is not None:
            error = self.replayed(crystals, target)
        else:
            error = absolute_error(self.model, crystals, target)
        share = weight / len(target)
        loss = error * share / self.model.label_scale + others * share
        return self._found(loss, error, batch)

    def validation_step(self, batch: Batch, number: int) -> Found:
        """Add a batch to the error of the epoch."""
        error = absolute_error(self.model, *batch[:2])
        return self._found(error, error, batch)

    @staticmethod
    def _found(loss: Tensor, error: Tensor, batch: Batch) -> Found:
        """The summed error of a batch; it does not count where another process has the crystals."""
        *_, crystals, weight = batch
        counted = len(crystals) if weight > 0 else 0
        sums = error.detach() if counted else torch.zeros_like(error)
        return Found(loss, sums[None], counted)


def label_errors(
    model: SiteNet, batch: RaggedBatch, target: Tensor, others: Tensor, weights: Tensor
) -> tuple[Tensor, Tensor]:
    """Sums over crystals of the errors in the label (B,), and in `others` (B, K) where not NaN.

    The latter are multiplied by `weights` (K,).
    """
    vectors = model.crystals(batch)
    error = (model.head(vectors, batch) - target).abs().sum()
    differences = model.auxiliary_decoder(vectors).to(others.dtype) - others
    return error, (differences.abs() * weights)[~others.isnan()].sum()
