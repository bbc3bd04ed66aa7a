"""Pre-training: from shards and a split to an encoder, without labels."""

import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
import torch

from sitenet.files import write_json
from sitenet.model.infomax.deep_infomax import DeepInfoMax
from sitenet.model.pretext import Pretext
from sitenet.model.saving import save_model
from sitenet.model.sitenet import SiteNet
from sitenet.options.features import FeatureSettings
from sitenet.options.infomax import NO_GEOMETRY, InfoMaxSettings, PretextSettings
from sitenet.options.model import ModelSettings
from sitenet.options.split import SplitSettings
from sitenet.options.training import PretrainingSettings
from sitenet.progress import duration, log
from sitenet.shards.featurised import Featurised, formulas_of, read_featurised
from sitenet.shards.normal_scores import normal_scores
from sitenet.shards.open_store import open_both, open_store
from sitenet.shards.vectors import read_vectors
from sitenet.splits.held_out import HeldOut, formulas
from sitenet.splits.parts import Parts, read_parts
from sitenet.splits.split import watched
from sitenet.tables import write_table
from sitenet.train.history import Report
from sitenet.train.infomax_task import InfoMaxTask, UnlabelledBatches, WholeBatches
from sitenet.train.launch import train_task, training_record
from sitenet.train.optimiser import set_seeds
from sitenet.train.pretext_task import CrystalBatches, PretextTask
from sitenet.train.training import Training

Places = dict[str, torch.Tensor]
"""Positions of the crystals of the parts train and val."""


@dataclass(frozen=True)
class PretrainInputs:
    """Crystals of a pre-training: the parts train and val of `split`.

    That is a file (id, split), or how validation crystals are drawn from all. `shards` were made
    with `features`; crystals that are `held_out` are left out. Pretext tasks need
    `computed_targets`, a table for each shard.
    """

    shards: tuple[Path, ...]
    split: Path | SplitSettings
    held_out: HeldOut
    features: FeatureSettings
    computed_targets: tuple[Path, ...] = ()


@dataclass(frozen=True)
class PretrainOutputs:
    """Files of a pre-training; `checkpoints` is a folder that lives while it is unfinished.

    training_set: crystals that were used, as `sitenet.evaluate.training_set` reads them.
    """

    weights: Path
    description: Path
    metrics: Path
    training_set: Path
    history: Path
    checkpoints: Path


def initial_encoder(settings: ModelSettings, seed: int) -> SiteNet:
    """The encoder as a pre-training with this seed starts: the untrained control."""
    set_seeds(seed)
    return SiteNet(settings)


@dataclass(frozen=True)
class Pretraining(Training):
    """Training of an encoder without labels; `model` is its architecture."""

    settings: PretrainingSettings
    inputs: PretrainInputs
    model: ModelSettings
    loss: InfoMaxSettings | PretextSettings

    def load_task(self) -> InfoMaxTask | PretextTask:
        """Crystals and a new encoder; raises ValueError if no crystal is left."""
        inputs, settings = self.inputs, self.settings
        if self.model.site_geometry:
            raise ValueError(f"{self.label}: {NO_GEOMETRY}")
        crystals = read_unlabelled(inputs, self.label)
        parts = {part: torch.from_numpy(crystals.indices(part)) for part in ("train", "val")}
        log.info(
            f"{self.label}: {len(parts['train']):,} training and {len(parts['val']):,} validation "
            f"crystals, N={inputs.features.n_atoms}, on {self.accelerator}"
        )
        encoder = initial_encoder(self.model, settings.seed)
        for head in (encoder.head_layers, encoder.decoder):
            head.requires_grad_(False)  # no loss depends on it: its weights would only decay
        if isinstance(self.loss, InfoMaxSettings):
            return self._infomax(self.loss, encoder, crystals, parts)
        return self._pretext(self.loss, encoder, crystals, parts)

    def _infomax(
        self, loss: InfoMaxSettings, encoder: SiteNet, crystals: Featurised, parts: Places
    ) -> InfoMaxTask:
        inputs, settings = self.inputs, self.settings
        tolerance = inputs.features.merge_tolerance
        store = open_both(inputs.shards, set(crystals.ids), self._limit, tolerance)
        return InfoMaxTask(
            DeepInfoMax(encoder, loss),
            settings,
            UnlabelledBatches(store, parts["train"], settings.batch_sites, settings.seed),
            WholeBatches(store, parts["val"], settings.batch_sites, settings.seed),
        )

    def _pretext(
        self, loss: PretextSettings, encoder: SiteNet, crystals: Featurised, parts: Places
    ) -> PretextTask:
        inputs, settings = self.inputs, self.settings
        store = open_store(inputs.shards, set(crystals.ids), self._limit)
        targets = normal_scores(read_vectors(inputs.computed_targets, crystals.ids.tolist()))
        return PretextTask(
            Pretext(encoder, targets.shape[1]),
            settings,
            loss,
            torch.from_numpy(targets),
            CrystalBatches(store, parts["train"], settings.batch_sites, settings.seed),
            CrystalBatches(store, parts["val"], settings.batch_sites),
        )

    @property
    def _limit(self) -> int:
        """Bytes of memory for crystals."""
        return round(self.settings.memory_gib * 2**30)

    def report(self) -> Report:
        """Epochs by their losses."""
        return Report(self.history, self.label, "loss", self.settings.max_epochs)


def pretrain(
    inputs: PretrainInputs,
    outputs: PretrainOutputs,
    model_settings: ModelSettings,
    loss_settings: InfoMaxSettings | PretextSettings,
    settings: PretrainingSettings,
    accelerator: str = "cpu",
    label: str = "pre-training",
) -> None:
    """Pre-train an encoder; keep its weights of the epoch with the lowest validation loss.

    Crystals whose primitive cell has more than N sites are left out. No label is read. A run that
    was killed continues after its last checkpoint. Raises ValueError if no crystal is left.
    """
    start = time.monotonic()
    training = Pretraining(settings, outputs.history, outputs.checkpoints, accelerator, label,
                           inputs, model_settings, loss_settings)  # fmt: skip
    task = training.load_task()
    trained = train_task(training, task)
    task.model.load_state_dict(trained.weights)
    encoder = task.model.float().encoder
    assert isinstance(encoder, SiteNet)
    objective = "infomax" if isinstance(loss_settings, InfoMaxSettings) else "pretext"
    save_model(
        encoder,
        model_settings,
        outputs.weights,
        outputs.description,
        **{objective: loss_settings.to_dict()},
        training=settings.to_dict(),
        features=asdict(inputs.features),
    )
    write_training_set(inputs, task, outputs.training_set)
    best = trained.history.best()
    record = {
        "best": best,
        "crystals": {
            "train": len(task.train_batches.indices),
            "val": len(task.validation_batches.indices),
        },
        **training_record(trained, task, accelerator),
    }
    write_json(outputs.metrics, record)
    shutil.rmtree(outputs.checkpoints, ignore_errors=True)
    log.info(
        f"{label}: validation loss {best['val_total']:.4g} at epoch {best['epoch']} of "
        f"{record['epochs']}, {duration(time.monotonic() - start)}"
    )


def write_training_set(inputs: PretrainInputs, task: InfoMaxTask | PretextTask, out: Path) -> None:
    """Write Parquet `out`: id, split, formula of the crystals of a pre-training."""
    used = [
        (batches.store.ids[k], part)
        for part, batches in (("train", task.train_batches), ("val", task.validation_batches))
        for k in batches.indices.tolist()
    ]
    formula = formulas_of(inputs.shards, {name for name, _ in used})
    rows = [(name, part, formula[name]) for name, part in used]
    write_table(out, pd.DataFrame(rows, columns=["id", "split", "formula"]))


def read_unlabelled(inputs: PretrainInputs, label: str) -> Featurised:
    """Training and validation crystals that fit into N, without those held out.

    Raises:
        ValueError: there are none in one of the parts.
    """
    split, held_out = inputs.split, inputs.held_out
    if isinstance(split, Path):
        parts = held_out.without(read_parts(split), label)
    else:
        names = formulas(held_out.structures)
        everything = Parts(held_out.structures, dict.fromkeys(names, "train"))
        parts = watched(held_out.without(everything, label), names, split)
    crystals = read_featurised(inputs.shards, parts)
    fits = crystals.n_sites <= inputs.features.n_atoms
    crystals = crystals.take(fits & (crystals.parts != "test"))
    crystals.require("train", "val")
    return crystals
