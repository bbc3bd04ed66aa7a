"""A supervised training of a second: rock salts, a tiny model, and a way to interrupt it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sitenet.crystal.featurise import featurise
from sitenet.options.features import FeatureSettings
from sitenet.options.model import ModelSettings
from sitenet.options.training import TrainingSettings
from sitenet.shards.schema import open_writer, to_table
from sitenet.structure.cif import Crystal
from sitenet.train.checkpoints import Checkpoints
from sitenet.train.supervised import RunInputs, RunOutputs
from sitenet.train.task import Task

MODEL = ModelSettings(
    embedding_size=4,
    site_features_per_head=4,
    interaction_features_per_head=2,
    heads=2,
    attention_layers=(8,),
    pre_pool_layers=(8,),
    post_pool_layers=(8,),
    output="nonnegative",
)
TRAINING = TrainingSettings(batch_sites=20, learning_rate=1e-2, max_epochs=6, patience=6)
CATIONS = {"Li": 3, "Na": 11, "K": 19, "Rb": 37, "Cs": 55, "Mg": 12, "Ca": 20, "Sr": 38, "Ba": 56}
ANIONS = {"F": 9, "Cl": 17, "Br": 35, "I": 53, "O": 8, "S": 16}


FEATURES = FeatureSettings(n_atoms=16)


def write_rock_salts(folder: Path, settings: FeatureSettings = FEATURES) -> RunInputs:
    """54 rock-salt crystals whose label is an ionic attraction, and one with a large cell."""
    rows, crystals = [], []
    for cation, z in CATIONS.items():
        for anion, x in ANIONS.items():
            edge = 3.5 + 0.02 * (z + x)
            fcc = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
            crystals.append(
                Crystal(
                    np.eye(3) * edge,
                    np.repeat([z, x], 4),
                    np.concatenate([fcc, fcc + np.array([0.5, 0, 0])]) % 1,
                    np.zeros(8),
                    "",
                )
            )
            rows.append({"id": f"{z}-{x}", "formula": cation + anion, "label": 20 / edge})
    random = np.random.default_rng(0)
    large = Crystal(np.eye(3) * 9, np.full(20, 14), random.random((20, 3)), np.zeros(20), "")
    crystals.append(large)
    rows.append({"id": "large", "formula": "Si", "label": 1.0})
    table = pd.DataFrame(rows)
    table.to_parquet(folder / "structures.parquet")
    table["split"] = np.where(np.arange(len(table)) % 5 == 0, "test", "train")
    table.loc[np.arange(len(table)) % 7 == 0, "split"] = "val"
    table.loc[table.id == "large", "split"] = "train"
    table[["id", "split"]].to_csv(folder / "split.csv", index=False)
    with open_writer(folder / "part.parquet", settings.site_geometry) as writer:
        merged = [featurise(crystal, settings) for crystal in crystals]
        writer.write_table(to_table(table.id.tolist(), merged))
    return RunInputs(folder / "structures.parquet", (folder / "part.parquet",),
                     folder / "split.csv", "label", "eV", settings)  # fmt: skip


def outputs(folder: Path) -> RunOutputs:
    return RunOutputs(folder / "model.safetensors", folder / "model.json", folder / "metrics.json",
                      folder / "predictions.parquet", folder / "training_set.safetensors",
                      folder / "history.csv", folder / "checkpoints")  # fmt: skip


def interrupt_before(monkeypatch: pytest.MonkeyPatch, epoch: int) -> None:
    """Let trainings end before the epoch after the `epoch`-th, which has a checkpoint."""
    start_epoch = Task.start_epoch

    def start(self: Task, number: int) -> None:
        if number == epoch:
            raise RuntimeError("killed")
        start_epoch(self, number)

    monkeypatch.setattr(Task, "start_epoch", start)
    monkeypatch.setattr(Checkpoints, "due", lambda self: True)


def interrupt_after(monkeypatch: pytest.MonkeyPatch, epochs: int) -> None:
    """Let the process end after so many epochs of all its trainings together."""
    start_epoch, started = Task.start_epoch, 0

    def start(self: Task, number: int) -> None:
        nonlocal started
        started += 1
        if started > epochs:
            raise RuntimeError("killed")
        start_epoch(self, number)

    monkeypatch.setattr(Task, "start_epoch", start)
    monkeypatch.setattr(Checkpoints, "due", lambda self: True)
