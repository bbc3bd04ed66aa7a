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
from sitenet.shards.store import CrystalStore
from sitenet.tables import read_table
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
    ids = _ids(inputs, label)
    everyone = [name for part in ids.values() for name in part]
    store = CrystalStore.from_shards(inputs.shards, keep=set(everyone))
    fits = store.sites <= inputs.features.n_atoms
    kept = {name for name, fit in zip(store.ids, fits.tolist(), strict=True) if fit}
    store = CrystalStore.from_shards(inputs.shards, keep=kept)
    sites = CrystalStore.from_shards(inputs.shards, kept, inputs.features.merge_tolerance)
    parts = {
        part: torch.tensor([store.index[name] for name in names if name in kept])
        for part, names in ids.items()
    }
    if not all(len(part) for part in parts.values()):
        raise ValueError(f"{inputs.split}: no featurised crystal in train or in val")
    log.info(
        f"{label}: {len(parts['train']):,} training and {len(parts['val']):,} validation crystals, "
        f"N={inputs.features.n_atoms}, on {accelerator}"
    )
    encoder = initial_encoder(model_settings, settings.seed)
    module = PretrainModule(
        DeepInfoMax(encoder, loss_settings),
        settings,
        UnlabelledBatches(store, sites, parts["train"], settings.batch_sites, settings.seed),
        WholeBatches(store, sites, parts["val"], settings.batch_sites, settings.seed),
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


def _ids(inputs: PretrainInputs, label: str) -> dict[str, list[str]]:
    """Ids of the training and the validation part, without those held out."""
    split = pd.read_csv(inputs.split, dtype=str, keep_default_na=False)
    out = held_out_ids(inputs.held_out)
    if out:
        log.info(f"{label}: {split.id.isin(list(out)).sum():,} of {len(split):,} crystals held out")
    split = split[~split.id.isin(list(out))]
    return {part: split.id[split.split == part].tolist() for part in ("train", "val")}


def held_out_ids(tables: Sequence[Path]) -> set[str]:
    """Ids of all crystals in some tables of structures; no other column is read."""
    return {name for table in tables for name in read_table(table, columns=["id"]).id}
