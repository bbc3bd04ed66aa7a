"""Deep InfoMax pre-training: from shards and a split to an encoder, without labels."""

import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import torch

from sitenet.files import write_json
from sitenet.model.infomax.deep_infomax import DeepInfoMax
from sitenet.model.saving import save_model
from sitenet.model.sitenet import SiteNet
from sitenet.options.features import FeatureSettings
from sitenet.options.infomax import InfoMaxSettings
from sitenet.options.model import ModelSettings
from sitenet.options.training import TrainingSettings
from sitenet.progress import duration, log
from sitenet.shards.featurised import Featurised, read_featurised
from sitenet.shards.open_store import open_both
from sitenet.splits.parts import read_parts
from sitenet.tables import read_arrow
from sitenet.train.callbacks import History
from sitenet.train.fit import device_name, fit, peak_memory
from sitenet.train.pretrain_module import PretrainModule, UnlabelledBatches, WholeBatches


@dataclass(frozen=True)
class PretrainInputs:
    """Crystals of a pre-training: the parts train and val of `split` (id, split).

    `shards` were made with `features`; ids in the tables `held_out` are left out.
    """

    shards: tuple[Path, ...]
    split: Path
    held_out: tuple[Path, ...]
    features: FeatureSettings


@dataclass(frozen=True)
class PretrainOutputs:
    """Files of a pre-training; `checkpoints` is a folder that lives while it is unfinished."""

    weights: Path
    description: Path
    metrics: Path
    history: Path
    checkpoints: Path


def initial_encoder(settings: ModelSettings, seed: int) -> SiteNet:
    """The encoder as a pre-training with this seed starts: the untrained control."""
    pl.seed_everything(seed, verbose=False)
    return SiteNet(settings)


def pretrain(
    inputs: PretrainInputs,
    outputs: PretrainOutputs,
    model_settings: ModelSettings,
    loss_settings: InfoMaxSettings,
    settings: TrainingSettings,
    accelerator: str = "cpu",
    label: str = "pre-training",
) -> None:
    """Pre-train an encoder; keep its weights of the epoch with the lowest validation loss.

    Crystals whose primitive cell has more than N sites are left out. No label is read. A run that
    was killed continues after its last finished epoch. Raises ValueError if no crystal is left.
    """
    start = time.monotonic()
    crystals = read_unlabelled(inputs, label)
    limit = round(settings.memory_gib * 2**30)
    store = open_both(inputs.shards, set(crystals.ids), limit, inputs.features.merge_tolerance)
    parts = {part: torch.from_numpy(crystals.indices(part)) for part in ("train", "val")}
    log.info(
        f"{label}: {len(parts['train']):,} training and {len(parts['val']):,} validation crystals, "
        f"N={inputs.features.n_atoms}, on {accelerator}"
    )
    encoder = initial_encoder(model_settings, settings.seed)
    module = PretrainModule(
        DeepInfoMax(encoder, loss_settings),
        settings,
        UnlabelledBatches(store, parts["train"], settings.batch_sites, settings.seed),
        WholeBatches(store, parts["val"], settings.batch_sites, settings.seed),
    )
    history = History(outputs.history, label, "total", "loss")
    best = fit(module, settings, history, outputs.checkpoints, accelerator)
    module.load_state_dict(best)
    save_model(
        encoder.float(),
        model_settings,
        outputs.weights,
        outputs.description,
        infomax=loss_settings.to_dict(),
        training=settings.to_dict(),
        features=asdict(inputs.features),
    )
    rows = pd.DataFrame(history.rows)
    record = {
        "best": history.best(),
        "best_epoch": history.best()["epoch"],
        "epochs": len(rows),
        "crystals": {part: len(chosen) for part, chosen in parts.items()},
        "structures_per_second": float(np.median(rows.structures_per_second)),
        "seconds": float(rows.seconds.sum()),
        "peak_memory_bytes": peak_memory(accelerator),
        "device": device_name(accelerator),
        "parameters": sum(p.numel() for p in module.model.parameters()),
    }
    write_json(outputs.metrics, record)
    shutil.rmtree(outputs.checkpoints, ignore_errors=True)
    log.info(
        f"{label}: validation loss {history.best()['val_total']:.4g} at epoch "
        f"{history.best()['epoch']} of {len(rows)}, {duration(time.monotonic() - start)}"
    )


def read_unlabelled(inputs: PretrainInputs, label: str) -> Featurised:
    """Training and validation crystals that fit into N, without those held out.

    Raises:
        ValueError: there are none in one of the parts.
    """
    parts, out = read_parts(inputs.split), held_out_ids(inputs.held_out)
    left = parts.without(out)
    if out:
        dropped = len(parts.of) - len(left.of)
        log.info(f"{label}: {dropped:,} of {len(parts.of):,} crystals held out")
    crystals = read_featurised(inputs.shards, left)
    fits = crystals.n_sites <= inputs.features.n_atoms
    crystals = crystals.take(fits & (crystals.parts != "test"))
    crystals.require("train", "val")
    return crystals


def held_out_ids(tables: Sequence[Path]) -> set[str]:
    """Ids of all crystals in some tables of structures; no other column is read."""
    return {name for table in tables for name in read_arrow(table, ["id"])["id"].to_pylist()}
