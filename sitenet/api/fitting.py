"""A training from crystals in memory, which leaves the files of a run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sitenet.crystal.featurise import MergedCrystal
from sitenet.evaluate.training_set import NAME, write_vectors
from sitenet.model.inference import predict_and_keep
from sitenet.model.saving import save_model
from sitenet.options.features import FeatureSettings
from sitenet.options.model import ModelSettings
from sitenet.options.training import TrainingSettings
from sitenet.shards.featurised import Featurised
from sitenet.shards.store import CrystalStore
from sitenet.splits.groups import drawn_groups
from sitenet.splits.parts import UNUSED
from sitenet.structure.formula import reduced_formula
from sitenet.tables import write_table
from sitenet.train.data import TaskData
from sitenet.train.devices import torch_device
from sitenet.train.history import Row
from sitenet.train.launch import train_here
from sitenet.train.supervised import RunInputs, SupervisedTraining

FEWEST = 4
"""Crystals that a training takes at least."""


class Labelled(NamedTuple):
    """Featurised crystals (n) with names and labels."""

    ids: Sequence[str]
    crystals: Sequence[MergedCrystal]
    target: NDArray[np.float64]


class Chosen(NamedTuple):
    """How a model is made: options of features, network and training; unit and column of labels."""

    features: FeatureSettings
    model: ModelSettings
    training: TrainingSettings
    validation: float
    column: str = "label"
    unit: str = ""


@dataclass(frozen=True)
class MemoryTraining(SupervisedTraining):
    """The training of a run, with `data` from memory."""

    data: TaskData | None = None

    def _load_data(self) -> TaskData:
        assert self.data is not None
        return self.data


def fit_in(folder: Path, labelled: Labelled, chosen: Chosen, accelerator: str) -> list[Row]:
    """Train; write model, predictions and training set to `folder`. Returns the epochs.

    A share `validation` of the crystals, whole formulas drawn by the training's seed, decides
    which epoch is the best. Crystals whose primitive cell has more than N sites are not trained on.

    Raises ValueError with too few crystals.
    """
    formulas = np.array([reduced_formula(crystal.numbers) for crystal in labelled.crystals])
    n_sites = np.array([len(crystal.numbers) for crystal in labelled.crystals])
    fitting = np.flatnonzero(n_sites <= chosen.features.n_atoms)
    if len(fitting) < FEWEST:
        raise ValueError(
            f"{len(fitting)} usable crystals of at most {chosen.features.n_atoms} sites are too "
            f"few for a training, which takes {FEWEST} or more"
        )
    rng = np.random.default_rng(chosen.training.seed)
    watched = drawn_groups(formulas[fitting], chosen.validation, rng)
    if not watched.any():  # all of one formula
        watched[rng.integers(len(fitting))] = True
    parts = np.full(len(formulas), UNUSED, dtype=object)
    parts[fitting] = np.where(watched, "val", "train")
    data = _data(labelled, parts, n_sites)
    inputs = RunInputs(folder, (), folder, chosen.column, chosen.unit, chosen.features)
    training = MemoryTraining(chosen.training, folder / "history.csv", folder / ".checkpoints",
                              accelerator, "fit", inputs, chosen.model, data=data)  # fmt: skip
    task = training.load_task()
    trained = train_here(training, task)
    task.model.load_state_dict(trained.weights)
    data.store.to(torch_device(accelerator))
    kept = np.flatnonzero(parts != UNUSED)
    batch_sites = chosen.training.batch_sites
    values, vectors = predict_and_keep(task.model, data.store, batch_sites, kept)
    of_training = parts[kept] == "train"
    write_vectors(folder / NAME, vectors[of_training], vectors[~of_training])
    columns = {"id": labelled.ids, "split": parts, "formula": formulas, "target": labelled.target,
               "n_sites": n_sites, "prediction": values.astype(np.float64)}  # fmt: skip
    write_table(folder / "predictions.parquet", pd.DataFrame(columns))
    save_model(task.model, chosen.model, folder / "model.safetensors", folder / "model.json",
               training=chosen.training.to_dict(), features=chosen.features.to_dict(),
               label={"column": chosen.column, "unit": chosen.unit})  # fmt: skip
    return trained.history.rows


def _data(labelled: Labelled, parts: NDArray, n_sites: NDArray[np.int64]) -> TaskData:
    names = [str(number) for number in range(len(parts))]
    featurised = Featurised(Path(), np.array(names, dtype=object), parts, n_sites)
    store = CrystalStore.from_crystals(names, labelled.crystals)
    return TaskData(store, featurised, labelled.target)
