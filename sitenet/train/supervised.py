"""One supervised run: from shards, labels and a split to a model, predictions and metrics."""

import shutil
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from sitenet.evaluate.metrics import split_metrics
from sitenet.evaluate.training_set import KEPT, write_vectors
from sitenet.files import write_json
from sitenet.model.description import read_description
from sitenet.model.inference import BATCH_SITES, predict, predict_and_keep
from sitenet.model.saving import load_encoder, save_model
from sitenet.model.sitenet import SiteNet
from sitenet.options.features import FeatureSettings
from sitenet.options.model import ModelSettings
from sitenet.options.training import TrainingSettings
from sitenet.progress import duration, log
from sitenet.shards.featurised import Featurised, read_featurised
from sitenet.splits.draws import drawn
from sitenet.splits.held_out import NOTHING, HeldOut
from sitenet.splits.parts import PARTS, UNUSED, read_parts
from sitenet.tables import read_by_id, write_table
from sitenet.train.batches import Batches
from sitenet.train.data import TaskData, load_beside, load_labelled
from sitenet.train.devices import torch_device
from sitenet.train.history import History, Report
from sitenet.train.label_units import set_label_units
from sitenet.train.launch import train_here, train_task, training_record
from sitenet.train.loop import OnEpoch, Trained
from sitenet.train.optimiser import set_seeds
from sitenet.train.task import LabelTask
from sitenet.train.training import Training


@dataclass(frozen=True)
class RunInputs:
    """Data of a run: `column` of `structures` is the label in `unit`; `shards` were made so.

    held_out: what the run must not see, since it is tested on it in another task. auxiliary:
    a table for each other label that the settings say is learned beside this one, in that order.
    computed_targets: a table for each shard, if these are learned, too. encoder: weights that the
    training starts from, except for those of the label; None draws all.
    """

    structures: Path
    shards: tuple[Path, ...]
    split: Path
    column: str
    unit: str
    features: FeatureSettings
    held_out: HeldOut = NOTHING
    auxiliary: tuple[Path, ...] = ()
    computed_targets: tuple[Path, ...] = ()
    encoder: Path | None = None


@dataclass(frozen=True)
class RunOutputs:
    """Files of a run; `checkpoints` is a folder that lives only while the run is unfinished."""

    weights: Path
    description: Path
    metrics: Path
    predictions: Path
    training_set: Path
    history: Path
    checkpoints: Path


@dataclass(frozen=True)
class SupervisedTraining(Training):
    """Training of a Site-Net with labels; `model` is its architecture.

    With `all_crystals` validation crystals are trained on, too, and the last epoch is kept.
    """

    settings: TrainingSettings
    inputs: RunInputs
    model: ModelSettings
    all_crystals: bool = False

    def again(self, epochs: float) -> "SupervisedTraining":
        """A training with all crystals, which needs no stopping after so many epochs.

        What it writes is removed with the checkpoints of the first.
        """
        folder = self.checkpoints / "all_crystals"
        return replace(
            self,
            settings=replace(self.settings, max_epochs=int(epochs)),
            history=folder / "history.csv",
            checkpoints=folder,
            label=f"{self.label}, all crystals",
            all_crystals=True,
        )

    def load_task(self) -> LabelTask:
        """Labelled crystals and a new model; raises ValueError if the data does not allow a run."""
        set_seeds(self.settings.seed)
        data = self._load_data()
        fitting = data.indices("train")
        watched = data.indices("val", self.inputs.features.n_atoms)
        log.info(
            f"{self.label}: {len(fitting):,} training, {len(watched):,} validation and "
            f"{len(data.indices('test')):,} test crystals, N={self.inputs.features.n_atoms}, on "
            f"{self.accelerator}"
        )
        model = _new_model(self.model, self.settings, data, fitting)
        if self.inputs.encoder is not None:
            load_encoder(model, self.inputs.encoder)
        batches = Batches(data, fitting, self.settings.batch_sites, shuffle=self.settings.seed)
        if self.all_crystals:
            return LabelTask(model, self.settings, batches)
        sites = _sites_without_gradients(self.settings)
        return LabelTask(model, self.settings, batches, Batches(data, watched, sites))

    def _load_data(self) -> TaskData:
        inputs, settings = self.inputs, self.settings
        parts = inputs.held_out.without(read_parts(inputs.split), self.label)
        crystals = read_featurised(inputs.shards, parts)
        crystals.require(*PARTS)
        crystals = _limit_training(crystals, inputs.features.n_atoms, settings)
        if self.all_crystals:
            watched = crystals.indices("val", inputs.features.n_atoms)
            parts_of = crystals.parts.copy()
            parts_of[watched] = "train"
            crystals = replace(crystals, parts=parts_of)
        data = load_labelled(
            crystals, inputs.shards, inputs.structures, inputs.column, settings.memory_gib
        )
        others = [str(name) for name in settings.auxiliary if name != inputs.column]
        labels = dict(zip(others, inputs.auxiliary, strict=True))
        computed = inputs.computed_targets, settings.computed_targets
        if settings.computed_targets and not inputs.computed_targets:
            raise ValueError(
                "training.computed_targets is searched or set where it was 0: no numbers were "
                "computed; set it above 0 in the configuration"
            )
        return replace(data, beside=load_beside(crystals, labels, *computed))

    def report(self) -> Report:
        """Epochs by their errors."""
        title = f"MAE ({self.inputs.unit})"
        return Report(self.history, self.label, title, self.settings.max_epochs)


def train(
    inputs: RunInputs,
    outputs: RunOutputs,
    model_settings: ModelSettings,
    settings: TrainingSettings,
    accelerator: str = "cpu",
    label: str = "training",
) -> None:
    """Train, keep the weights of the best validation epoch, predict every labelled crystal.

    With `refit` those of a second training are kept, by which only validation crystals are not
    predicted. A run that was killed continues after its last checkpoint, exactly as if undisturbed.
    Crystals whose primitive cell has more than N sites are left out of training, not of tests.
    Raises ValueError if the data does not allow a run.
    """
    start = time.monotonic()
    training = SupervisedTraining(settings, outputs.history, outputs.checkpoints, accelerator,
                                  label, inputs, model_settings)  # fmt: skip
    task = training.load_task()
    trained = train_task(training, task)
    model = _trained_model(task, trained)
    final = _with_all_crystals(training, trained) if settings.refit else model
    record = _evaluation(training, task.data, model, final, outputs)
    record |= training_record(trained, task, accelerator)
    save_model(
        final,
        final.settings,
        outputs.weights,
        outputs.description,
        training=settings.to_dict(),
        features=asdict(inputs.features),
        label={"column": inputs.column, "unit": inputs.unit},
        **_start(inputs.encoder),
    )
    write_json(outputs.metrics, record)
    shutil.rmtree(outputs.checkpoints, ignore_errors=True)
    found = record["splits"]["test"]
    r2 = "" if found["r2"] is None else f", R² {found['r2']:.2f}"
    log.info(
        f"{label}: test MAE {found['mae']:.4g} {inputs.unit}{r2} (median of the training "
        f"labels: {record['baselines']['median']:.4g}) after {record['epochs']} epochs, "
        f"{duration(time.monotonic() - start)}"
    )


def train_watched(
    inputs: RunInputs,
    model_settings: ModelSettings,
    settings: TrainingSettings,
    folder: Path,
    accelerator: str,
    on_epoch: OnEpoch,
) -> History:
    """Train in this process and call `on_epoch` after each epoch; nothing else.

    No test crystal is predicted and no model kept. `folder` gets history.csv and the checkpoints
    from which a killed run continues.
    """
    training = SupervisedTraining(settings, folder / "history.csv", folder / "checkpoints",
                                  accelerator, folder.name, inputs, model_settings)  # fmt: skip
    return train_here(training, training.load_task(), [on_epoch]).history


def _start(encoder: Path | None) -> dict[str, Any]:
    """How the encoder was trained that a training started from, for the description."""
    if encoder is None:
        return {}
    content = read_description(encoder).content
    return {"started_from": {name: value for name, value in content.items() if name != "model"}}


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


def _sites_without_gradients(settings: TrainingSettings) -> int:
    """Sites of a batch that is only predicted: more, since nothing is kept for gradients."""
    return max(settings.batch_sites, BATCH_SITES)


def _new_model(
    model_settings: ModelSettings, settings: TrainingSettings, data: TaskData, fitting: torch.Tensor
) -> SiteNet:
    learned_beside = 0 if data.beside is None else len(data.beside.weights)
    model = SiteNet(replace(model_settings, auxiliary=learned_beside))
    set_label_units(model, data, fitting, settings.label_scaling)
    return model


def _trained_model(task: LabelTask, trained: Trained) -> SiteNet:
    """The model of a training with its best weights, as it is saved."""
    task.model.load_state_dict(trained.weights)
    return task.model.float()


def _with_all_crystals(training: SupervisedTraining, trained: Trained) -> SiteNet:
    """A model trained again, for the epochs that were best, on validation crystals, too."""
    again = training.again(trained.history.best()["epoch"])
    task = again.load_task()
    return _trained_model(task, train_task(again, task))


def _evaluation(
    training: SupervisedTraining, data: TaskData, model: SiteNet, final: SiteNet, out: RunOutputs
) -> dict[str, Any]:
    """Write predictions of all labelled crystals by `final`; their errors, beside baselines.

    Those of validation crystals are by `model`, which has not seen them. Vectors of some training
    and validation crystals are written too (`evaluate/training_set.py`).
    """
    inputs, settings = training.inputs, training.settings
    data.store.to(torch_device(training.accelerator))
    kept = np.sort(np.concatenate([_some(data, part) for part in ("train", "val")]))
    sites = _sites_without_gradients(settings)
    values, vectors = predict_and_keep(final, data.store, sites, kept)
    if final is not model:
        watched = data.crystals.indices("val")
        values[watched] = predict(model, data.store, sites, watched)
    training_part = data.crystals.parts[kept] == "train"
    write_vectors(out.training_set, vectors[training_part], vectors[~training_part])
    predictions = _predictions(data, values, inputs.structures)
    write_table(out.predictions, predictions)
    return {
        "splits": split_metrics(predictions, settings.seed),
        "baselines": _constants(predictions),
        "unit": inputs.unit,
        "model": final.settings.to_dict(),
        "training": settings.to_dict(),
    }


def _some(data: TaskData, part: str) -> NDArray[np.int64]:
    """Positions of at most `KEPT` crystals of a part, drawn by their ids."""
    indices = data.crystals.indices(part)
    return indices[drawn(data.crystals.ids[indices].tolist(), KEPT, "vectors")]


def _predictions(data: TaskData, values: NDArray[np.float32], structures: Path) -> pd.DataFrame:
    """Predictions of all crystals: id, split, formula, target, n_sites, prediction."""
    crystals = data.crystals
    formulas = read_by_id(structures, crystals.ids.tolist(), ["formula"])
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


def _constants(predictions: pd.DataFrame) -> dict[str, float]:
    """Test MAE of the mean and of the median of the training labels, in the label's unit."""
    train, test = (predictions.target[predictions.split == part] for part in ("train", "test"))
    return {
        name: float((test - value).abs().mean())
        for name, value in (("mean", train.mean()), ("median", train.median()))
    }
