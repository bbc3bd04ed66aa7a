"""Deep InfoMax as a Lightning module, and its batches."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from sitenet.model.infomax.deep_infomax import DeepInfoMax, Losses
from sitenet.options.training import TrainingSettings
from sitenet.shards.batch import RaggedBatch
from sitenet.shards.open_store import BothTables
from sitenet.train.batch_module import BatchModule
from sitenet.train.batches import Packs

Batch = tuple[RaggedBatch, RaggedBatch, float]

LOSSES = ("local_score", "local_kl", "global_score", "global_kl", "total")


class UnlabelledBatches(Packs):
    """Iterable of (merged batch, the same crystals with a row per site, weight).

    Always shuffled: false samples come from the same batch, and neighbours in a data set are often
    alike, which would make them harder to tell from the true ones.
    """

    store: BothTables

    def __iter__(self) -> Iterator[Batch]:
        for crystals, weight in self.packs():
            yield *self.store.batch(crystals), weight


class WholeBatches(UnlabelledBatches):
    """The same, but several processes take whole batches in turn.

    The false samples then do not depend on how many there are. All take the same number of steps:
    a process that is a batch short computes the last one with weight 0.
    """

    def __len__(self) -> int:
        return -(-self.count() // self.world)

    def packs(self) -> Iterator[tuple[Tensor, float]]:
        """This process's batches: crystals (B,) and weight."""
        for number, batch in enumerate(self._batches()):
            if number % self.world == self.rank:
                yield self.indices[torch.from_numpy(batch)], 1.0
        if number // self.world * self.world + self.rank > number:
            yield self.indices[torch.from_numpy(batch)], 0.0


class PretrainModule(BatchModule):
    """Trains an encoder by Deep InfoMax.

    Noise and false samples depend on seed, epoch and batch only, in the validation on seed and
    batch, whose crystals stay the same, so that epochs compare and a resumed run sees the same.
    Where several processes share a training batch, each draws its own, false samples from its part.
    """

    model: DeepInfoMax

    def __init__(
        self,
        model: DeepInfoMax,
        settings: TrainingSettings,
        train: UnlabelledBatches,
        validation: WholeBatches,
    ) -> None:
        super().__init__(model, settings, train, validation)
        self._measures: dict[str, float] = {}
        self._sum, self._count = torch.zeros(len(LOSSES)), 0

    def measures(self) -> dict[str, float]:
        """The latest epoch's losses: means over the crystals."""
        return self._measures

    def on_train_epoch_start(self) -> None:
        """Shuffle by the epoch's number, so that a resumed run sees the same batches."""
        self.train_batches.epoch = self.current_epoch
        self._start()

    def training_step(self, batch: Batch, number: int) -> Tensor:
        """Total loss of a batch, this process's part of it."""
        draw = (1 + self.current_epoch, number, self.train_batches.rank)
        return self._losses(batch, draw).total * batch[-1]

    def validation_step(self, batch: Batch, number: int) -> None:
        """Add a batch to the epoch's losses."""
        shared = self.validation_batches
        self._losses(batch, (0, number * shared.world + shared.rank))

    def on_validation_epoch_start(self) -> None:
        """Close the training epoch's losses: validation runs at the end of it."""
        self._measures = self._means("train")
        self._start()

    def on_validation_epoch_end(self) -> None:
        """Log the loss that checkpoints and early stopping watch."""
        self._measures |= self._means("val")
        self.log("val_total", self._measures["val_total"])

    def _losses(self, batch: Batch, draw: tuple[int, ...]) -> Losses:
        """Losses of a batch with the random numbers of `draw`, added to the epoch's."""
        generator = torch.Generator(self.device)
        seed = np.random.SeedSequence([self.settings.seed, *draw])
        generator.manual_seed(int(seed.generate_state(1, np.uint64)[0] >> np.uint64(1)))
        merged, sites, weight = batch
        losses = self.model(merged, sites, generator)
        values = torch.stack([getattr(losses, name).detach() for name in LOSSES])
        # A crystal alone has no false samples, and so no loss that could be compared.
        crystals = len(merged.sizes) if weight > 0 and len(merged.sizes) > 1 else 0
        self._sum = self._sum + crystals * values
        self._count += crystals
        return losses

    def _start(self) -> None:
        self._sum, self._count = torch.zeros(len(LOSSES), device=self.device), 0

    def _means(self, part: str) -> dict[str, float]:
        """Means over the crystals of all processes since the start, but those alone in a batch.

        Raises ValueError where all are.
        """
        total = torch.cat([self._sum, self._sum.new_tensor([self._count])])
        *sums, count = self.trainer.strategy.reduce(total, reduce_op="sum").tolist()
        if not count:
            raise ValueError(
                f"no batch of the {part} part has the two crystals that false samples take: raise "
                f"batch_sites, now {self.settings.batch_sites}"
            )
        means = [value / count for value in sums]
        return {f"{part}_{name}": mean for name, mean in zip(LOSSES, means, strict=True)}
