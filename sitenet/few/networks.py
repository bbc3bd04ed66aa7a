"""Site-Net as an arm: from random weights, or from the encoder of a trained model."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sitenet.model.inference import predict
from sitenet.model.sitenet import SiteNet
from sitenet.options.features import FeatureSettings
from sitenet.options.model import ModelSettings
from sitenet.options.training import TrainingSettings
from sitenet.shards.featurised import Featurised
from sitenet.shards.store import CrystalStore
from sitenet.splits.groups import drawn_groups
from sitenet.train.data import TaskData
from sitenet.train.transfer import new_model, one_thread, train_few_labels

Float = NDArray[np.float64]
Int = NDArray[np.int64]

WATCHED = 0.15
"""Share of the labels that choose the epoch."""


@dataclass(frozen=True)
class Network:
    """Architecture, and the weights that its encoder starts from (None: random ones).

    features: how it reads crystals.
    """

    settings: ModelSettings = field(repr=False)
    training: TrainingSettings = field(repr=False)
    features: FeatureSettings
    encoder: Path | None = None


def few_label_training(epochs: int, patience: int) -> TrainingSettings:
    """How networks are trained on few labels: small batches and a falling learning rate."""
    return TrainingSettings(batch_sites=300, max_epochs=epochs, patience=patience)


def train_network(
    network: Network,
    store: CrystalStore,
    n_sites: Int,
    formulas: NDArray,
    rows: Int,
    label: Float,
    seed: int,
) -> dict[str, NDArray]:
    """Train on the crystals `rows` (m,) of a store with `label` (m,); the weights as arrays.

    Whole formulas, `WATCHED` of the crystals, choose the best epoch. One thread, so that results do
    not depend on the machine's cores.
    """
    target = np.zeros(len(store))
    target[rows] = label
    names = np.array(store.ids, dtype=object)
    data = TaskData(store, Featurised(Path(), names, np.full(len(names), ""), n_sites), target)
    watched = drawn_groups(formulas[rows], WATCHED, np.random.default_rng(seed))
    if not 0 < watched.sum() < len(rows):
        watched = np.arange(len(rows)) % 6 == 0
    fitting, watching = (torch.from_numpy(rows[chosen]) for chosen in (~watched, watched))
    training = replace(network.training, seed=seed)
    with one_thread():
        model = new_model(data, fitting, network.encoder, network.settings, training)
        train_few_labels(model, data, fitting, watching, training)
    return {name: tensor.numpy().copy() for name, tensor in model.state_dict().items()}


def predict_network(
    network: Network, arrays: Mapping[str, NDArray], store: CrystalStore, rows: Int
) -> Float:
    """Predictions (m,) of crystals `rows` (m,). Raises ValueError for weights of another model."""
    model = SiteNet(network.settings)
    weights = {
        name: torch.from_numpy(arrays[name]) for name in model.state_dict() if name in arrays
    }
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(f"the weights are of another network: {error}") from None
    order = np.argsort(rows, kind="stable")
    with one_thread():
        found = predict(model, store, crystals=rows[order])
    values = np.empty(len(rows))
    values[order] = found
    return values
