"""Pretext tasks and one more loss, to be compared with pre-trainings without it.

    python benchmarks/more_pretext.py denoising --configfile config/pretext.yaml \\
        --pretraining both_seed0 --out results/denoising/seed0

trains a pre-training of the configuration, whose shards and targets must have been made, with one
more loss: `denoising` of positions (`denoising.py`; displaced anew in each epoch) or Deep
`infomax`. `--alone` leaves the others out. What that gave:

    python benchmarks/encoders_beside_descriptors.py --configfile config/pretext.yaml own.yaml \\
        --kind denoising --draws 3

where own.yaml lists the encoders:

    encoders: {kinds: {denoising: {encoders: [results/denoising/seed0/model.safetensors, ...]}}}
"""

import argparse
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
import yaml
from denoising import Cell, Denoiser, displaced, read_cells
from torch import Tensor, nn

from sitenet.model.infomax.deep_infomax import DeepInfoMax
from sitenet.model.pretext import Pretext
from sitenet.model.saving import save_model
from sitenet.model.sitenet import SiteNet
from sitenet.options.config import overlaid
from sitenet.options.features import FeatureSettings
from sitenet.options.infomax import InfoMaxSettings, PretextSettings
from sitenet.options.model import ModelSettings
from sitenet.options.training import PretrainingSettings
from sitenet.plan.configuration import complete
from sitenet.plan.plan import Plan
from sitenet.progress import log, setup_logging
from sitenet.shards.batch import RaggedBatch
from sitenet.shards.featurised import Featurised
from sitenet.shards.open_store import BothTables, open_both
from sitenet.splits.held_out import HeldOut
from sitenet.train.batches import Packs
from sitenet.train.launch import train_task
from sitenet.train.pretext_task import Batch, PretextTask
from sitenet.train.pretrain import Pretraining, PretrainInputs, write_training_set
from sitenet.train.task import Found

ROOT = Path(__file__).resolve().parents[1]


class Together(nn.Module):
    """Pretext tasks and something more, of one encoder."""

    def __init__(self, pretext: Pretext, more: nn.Module) -> None:
        super().__init__()
        self.pretext, self.more, self.encoder = pretext, more, pretext.encoder


class Joint(PretextTask):
    """The pretext tasks, unless `alone`, and more losses with the weights `added`."""

    model: Together
    alone: bool
    added: ClassVar[tuple[float, ...]]

    def train_step(self, batch: Batch, epoch: int, number: int) -> Found:
        """As for the pretext tasks, with random numbers of this epoch."""
        return self._both(batch, "train", (1 + epoch, number))

    def validation_step(self, batch: Batch, number: int) -> Found:
        """The same random numbers in every epoch."""
        return self._both(batch, "val", (0, number))

    def _both(self, batch: Batch, part: str, draw: tuple[int, int]) -> Found:
        crystals, *_, indices, weight = batch
        more = self._more(batch, draw)
        total = torch.tensor(self.added) @ more
        known = torch.zeros(2, len(indices))
        if not self.alone:
            targets, draws = self.targets[indices], self.draws[part][indices]
            known = torch.stack(self.model.pretext(crystals, targets, draws))
            weights = torch.tensor([self.pretext.computed, self.pretext.hidden])
            known = known / torch.tensor([[1.0], [self.pretext.hidden_share]])
            total = total + weights @ known
        sums = torch.stack([*known, *more, total]).detach().sum(1)
        return Found(total.mean() * weight, sums, len(indices))

    def _more(self, batch: Batch, draw: tuple[int, int]) -> Tensor:
        """The added losses of each crystal (k, B)."""
        raise NotImplementedError


class WithDenoising(Joint):
    """Each crystal a second time with its sites displaced."""

    measures = ("computed", "hidden", "displacement", "noise", "total")
    added = 1.0, 0.5
    cells: list[Cell]

    def _more(self, batch: Batch, draw: tuple[int, int]) -> Tensor:
        places = batch[1].tolist()
        seeds = [(self.settings.seed, draw[0], place) for place in places]
        crystals = displaced([self.cells[place] for place in places], seeds)
        return torch.stack(self.model.more(crystals))


class WithInfoMax(Joint):
    """Deep InfoMax on the same batches."""

    measures = ("computed", "hidden", "infomax", "total")
    added = (0.3,)

    def _more(self, batch: Batch, draw: tuple[int, int]) -> Tensor:
        seed = np.random.SeedSequence([self.settings.seed, *draw]).generate_state(1)
        generator = torch.Generator().manual_seed(int(seed[0]))
        merged, sites, indices, _ = batch
        return self.model.more(merged, sites, generator).total.expand(1, len(indices))


class BothBatches(Packs):
    """Iterable of (merged batch, the same with a row per site, indices (B,), weight)."""

    store: BothTables

    def __iter__(self) -> Iterator[tuple[RaggedBatch, RaggedBatch, Tensor, float]]:
        for crystals, weight in self.packs():
            yield *self.store.batch(crystals), crystals, weight


@dataclass(frozen=True)
class JointPretraining(Pretraining):
    """A pre-training with one more loss; `alone`: with that one only."""

    more: str = field(kw_only=True)
    alone: bool = field(kw_only=True)

    def _pretext(
        self, loss: PretextSettings, encoder: SiteNet, crystals: Featurised, parts: Any
    ) -> Joint:
        plain = super()._pretext(loss, encoder, crystals, parts)
        train, validation = plain.train_batches, plain.validation_batches
        settings, shards = self.settings, self.inputs.shards
        if self.more == "denoising":
            model = Together(plain.model, Denoiser(encoder))
            task = WithDenoising(model, settings, loss, plain.targets, train, validation)
            task.cells = read_cells(shards, validation.store.ids)
        else:
            model = Together(plain.model, DeepInfoMax(encoder, InfoMaxSettings()))
            tolerance = self.inputs.features.merge_tolerance
            store = open_both(shards, set(crystals.ids), self._limit, tolerance)
            size, seed = settings.batch_sites, settings.seed
            train = BothBatches(store, parts["train"], size, seed)
            shuffled = BothBatches(store, parts["val"], size, seed)  # false samples of any crystal
            task = WithInfoMax(model, settings, loss, plain.targets, train, shuffled)
        task.alone = self.alone
        return task


def main() -> None:
    """Train and save an encoder."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("more", choices=["denoising", "infomax"], help="the loss to add")
    parser.add_argument("--configfile", nargs="+", required=True, help="as for snakemake")
    parser.add_argument("--pretraining", required=True, help="of the configuration, with pretext")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--alone", action="store_true", help="without the other pretext tasks")
    options = parser.parse_args()
    setup_logging()
    given: dict[str, Any] = {}
    for file in options.configfile:
        given = overlaid(given, yaml.safe_load(Path(file).read_text()))
    own = Plan(complete(given, ROOT, options.configfile)).pretraining(options.pretraining)
    section, features = own.settings, FeatureSettings(**own.crystals.features)
    held_out = HeldOut(
        Path(own.crystals.dataset.structures), datasets=tuple(map(Path, own.held_out_structures))
    )
    (split,) = own.split
    inputs = PretrainInputs(
        shards=tuple(map(Path, own.crystals.shards)),
        split=Path(split),
        held_out=held_out,
        features=features,
        computed_targets=tuple(map(Path, own.computed_targets)),
    )
    model = ModelSettings.from_dict(section["model"])
    settings, out = PretrainingSettings(**section["training"]), options.out
    out.mkdir(parents=True, exist_ok=True)
    training = JointPretraining(
        settings, out / "history.csv", out / ".checkpoints", "cpu", options.pretraining, inputs,
        model, PretextSettings.from_dict(section["pretext"]), more=options.more,
        alone=options.alone,
    )  # fmt: skip
    task = training.load_task()
    trained = train_task(training, task)
    task.model.load_state_dict(trained.weights)
    encoder = task.model.float().encoder
    assert isinstance(encoder, SiteNet)
    save_model(
        encoder,
        model,
        out / "model.safetensors",
        out / "model.json",
        training=settings.to_dict(),
        features=asdict(features),
    )
    write_training_set(inputs, task, out / "training_set.parquet")
    log.info(f"{out / 'model.safetensors'}: {trained.history.best()}")


if __name__ == "__main__":
    main()
