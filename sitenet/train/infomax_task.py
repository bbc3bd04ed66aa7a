"""Deep InfoMax as a training task: crystals without labels, their batches and losses."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from sitenet.model.infomax.deep_infomax import DeepInfoMax
from sitenet.shards.batch import RaggedBatch
from sitenet.shards.open_store import BothTables
from sitenet.train.batches import Packs
from sitenet.train.task import Found, Task

Batch = tuple[RaggedBatch, RaggedBatch, float]


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


class InfoMaxTask(Task):
    """Trains an encoder by Deep InfoMax.

    Noise and false samples depend on seed, epoch and batch only; in the validation, whose batches
    stay the same, on seed and batch, so that epochs can be compared. Where several processes share
    a training batch, each draws its own, false samples from its part.
    """

    measures = ("local_score", "local_kl", "global_score", "global_kl", "total")
    judged = "total"
    model: DeepInfoMax
    validation_batches: WholeBatches

    def train_step(self, batch: Batch, epoch: int, number: int) -> Found:
        """This process's part of the total loss of a batch."""
        return self._losses(batch, (1 + epoch, number, self.train_batches.rank))

    def validation_step(self, batch: Batch, number: int) -> Found:
        """The losses of a batch, with the same random numbers in every epoch."""
        shared = self.validation_batches
        return self._losses(batch, (0, number * shared.world + shared.rank))

    def _losses(self, batch: Batch, draw: tuple[int, ...]) -> Found:
        """Losses of a batch with the random numbers of `draw`."""
        merged, sites, weight = batch
        generator = torch.Generator(merged.numbers.device)
        seed = np.random.SeedSequence([self.settings.seed, *draw])
        generator.manual_seed(int(seed.generate_state(1, np.uint64)[0] >> np.uint64(1)))
        losses = self.model(merged, sites, generator)
        values = torch.stack([getattr(losses, name).detach() for name in self.measures])
        # A crystal alone has no false samples, and so no loss that could be compared.
        crystals = len(merged.sizes) if weight > 0 and len(merged.sizes) > 1 else 0
        return Found(losses.total * weight, crystals * values, crystals)

    def means(self, part: str, sums: list[float], crystals: float) -> dict[str, float]:
        """Means over the crystals, without those alone in a batch.

        Raises ValueError where all are.
        """
        if not crystals:
            raise ValueError(
                f"no batch of the {part} part has the two crystals that false samples take: raise "
                f"batch_sites, now {self.settings.batch_sites}"
            )
        return super().means(part, sums, crystals)
