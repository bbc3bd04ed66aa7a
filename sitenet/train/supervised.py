"""One supervised run: from shards, labels and a split to a model, predictions and metrics."""

import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from sitenet.evaluate.baselines import baselines
from sitenet.evaluate.metrics import regression_metrics
from sitenet.files import write_json
from sitenet.model.inference import predict
from sitenet.model.saving import save_model
from sitenet.model.sitenet import SiteNet
from sitenet.options.features import FeatureSettings
from sitenet.options.model import ModelSettings
from sitenet.options.training import TrainingSettings
from sitenet.progress import duration, log
from sitenet.shards.featurised import Featurised, read_featurised
from sitenet.splits.draws import drawn
from sitenet.splits.parts import PARTS, UNUSED, read_parts
from sitenet.tables import read_rows, write_table
from sitenet.train.batches import Batches
from sitenet.train.callbacks import History
from sitenet.train.data import TaskData, load_task
from sitenet.train.fit import device_name, fit, peak_memory
from sitenet.train.module import SupervisedModule


@dataclass(frozen=True)
class RunInputs:
    """Data of a run: `column` of `structures` is the label in `unit`; `shards` were made so."""

    structures: Path
    shards: tuple[Path, ...]
    split: Path
    column: str
    unit: str
    features: FeatureSettings


@dataclass(frozen=True)
class RunOutputs:
    """Files of a run; `checkpoints` is a folder that lives only while the run is unfinished."""

    weights: Path
    description: Path
    metrics: Path
    predictions: Path
    history: Path
    checkpoints: Path


def train(
    inputs: RunInputs,
    outputs: RunOutputs,
    model_settings: ModelSettings,
    settings: TrainingSettings,
    accelerator: str = "cpu",
    label: str = "training",
) -> None:
    """Train, keep the weights of the best validation epoch, predict every labelled crystal.

    A run that was killed continues after its last finished epoch, exactly as if undisturbed.
    Crystals whose primitive cell has more than N sites are left out of training, not of tests.
    Raises ValueError if the data does not allow a run.
    """
    start = time.monotonic()
    data, module = _prepared(inputs, model_settings, settings, accelerator, label)
    history = History(outputs.history, label, "mae", f"MAE ({inputs.unit})")
    best = fit(module, settings, history, outputs.checkpoints, accelerator)
    module.load_state_dict(best)
    model = module.model.float()  # as saved
    data.store.to("cuda" if accelerator in ("gpu", "cuda") else "cpu")
    values = predict(model, data.store, settings.batch_sites)
    predictions = _predictions(data, values, inputs.structures)
    write_table(outputs.predictions, predictions)
    seconds = sum(row["seconds"] for row in history.rows)
    record = {
        "splits": _split_metrics(predictions, settings.seed),
        "baselines": _baselines(predictions),
        "unit": inputs.unit,
        "model": model_settings.to_dict(),
        "training": settings.to_dict(),
        "epochs": len(history.rows),
        "best_epoch": history.best()["epoch"],
        "structures_per_second": float(
            np.median([row["structures_per_second"] for row in history.rows])
        ),
        "seconds": seconds,
        "peak_memory_bytes": peak_memory(accelerator),
        "device": device_name(accelerator),
        "parameters": sum(p.numel() for p in model.parameters()),
    }
    save_model(
        model,
        model_settings,
        outputs.weights,
        outputs.description,
        training=settings.to_dict(),
        features=asdict(inputs.features),
        label={"column": inputs.column, "unit": inputs.unit},
    )
    write_json(outputs.metrics, record)
    shutil.rmtree(outputs.checkpoints, ignore_errors=True)
    test = record["splits"]["test"]  # type: ignore[index]
    log.info(
        f"{label}: test MAE {test['mae']:.4g} {inputs.unit} (mean of the training labels: "
        f"{record['baselines']['mean']:.4g}) after {len(history.rows)} epochs, "  # type: ignore[index]
        f"{duration(time.monotonic() - start)}"
    )


def fit_watched(
    inputs: RunInputs,
    model_settings: ModelSettings,
    settings: TrainingSettings,
    folder: Path,
    accelerator: str,
    callbacks: Sequence[pl.Callback],
) -> History:
    """Train and watch, nothing else: no test crystal is predicted, no model kept.

    `folder` gets history.csv and the checkpoints from which a killed run continues.
    """
    _, module = _prepared(inputs, model_settings, settings, accelerator, folder.name)
    history = History(folder / "history.csv", folder.name, "mae", f"MAE ({inputs.unit})")
    fit(module, settings, history, folder / "checkpoints", accelerator, callbacks)
    return history


def _prepared(
    inputs: RunInputs,
    model_settings: ModelSettings,
    settings: TrainingSettings,
    accelerator: str,
    label: str,
) -> tuple[TaskData, SupervisedModule]:
    """Data and new model of a run; the seed is set."""
    pl.seed_everything(settings.seed, verbose=False)
    n_atoms = inputs.features.n_atoms
    crystals = read_featurised(inputs.shards, read_parts(inputs.split))
    crystals.require(*PARTS)
    crystals = _limit_training(crystals, n_atoms, settings)
    data = load_task(crystals, inputs.shards, inputs.structures, inputs.column, settings.memory_gib)
    fitting, watched = data.indices("train"), data.indices("val", n_atoms)
    log.info(
        f"{label}: {len(fitting):,} training, {len(watched):,} validation and "
        f"{len(data.indices('test')):,} test crystals, N={n_atoms}, on {accelerator}"
    )
    module = SupervisedModule(
        _new_model(model_settings, settings, data, fitting),
        settings,
        Batches(data, fitting, settings.batch_sites, shuffle=settings.seed),
        Batches(data, watched, settings.batch_sites),
    )
    return data, module


def _limit_training(crystals: Featurised, n_atoms: int, settings: TrainingSettings) -> Featurised:
    """The crystals with those of the training part that are not trained on in a part `unused`.

    Trained on are `train_size` of those whose primitive cell fits into N, drawn by the seed.
    """
    fitting = crystals.indices("train", n_atoms)
    if settings.train_size is not None:
        if settings.train_size > len(fitting):
            raise ValueError(
                f"train_size is {settings.train_size:,}, but only {len(fitting):,} training "
                f"crystals have at most {n_atoms} sites"
            )
        key = f"training {settings.seed}"
        fitting = fitting[drawn(crystals.ids[fitting].tolist(), settings.train_size, key)]
    parts = np.where(crystals.parts == "train", UNUSED, crystals.parts)
    parts[fitting] = "train"
    return replace(crystals, parts=parts)


def _new_model(
    model_settings: ModelSettings, settings: TrainingSettings, data: TaskData, fitting: torch.Tensor
) -> SiteNet:
    model = SiteNet(model_settings)
    if settings.label_scaling == "standard":
        model.scale_labels(torch.tensor(data.target[fitting.numpy()]))
    return model


def _predictions(data: TaskData, values: NDArray[np.float32], structures: Path) -> pd.DataFrame:
    """Predictions of all crystals: id, split, formula, target, n_sites, prediction."""
    crystals = data.crystals
    formulas = read_rows(structures, crystals.ids.tolist(), ["formula"])
    return pd.DataFrame(
        {
            "id": crystals.ids,
            "split": crystals.parts,
            **formulas,
            "target": data.target,
            "n_sites": crystals.n_sites,
            "prediction": values.astype(np.float64),
        }
    )


def _split_metrics(predictions: pd.DataFrame, seed: int) -> dict[str, Any]:
    return {
        str(part): regression_metrics(rows.target.to_numpy(), rows.prediction.to_numpy(), seed)
        for part, rows in predictions.groupby("split")
    }


def _baselines(predictions: pd.DataFrame) -> dict[str, float]:
    train, test = (predictions[predictions.split == part] for part in ("train", "test"))
    return baselines(
        train.formula.tolist(),
        train.target.to_numpy(),
        test.formula.tolist(),
        test.target.to_numpy(),
    )
