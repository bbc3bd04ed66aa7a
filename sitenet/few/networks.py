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
from sitenet.train.batches import Batches
from sitenet.train.data import TaskData
from sitenet.train.loop import train_epochs
from sitenet.train.transfer import FewLabelsTask, new_model, one_thread

Float = NDArray[np.float64]
Int = NDArray[np.int64]

STEPS = 16
"""Of an epoch, about: with large batches of few labels they are too few to learn."""

BATCH_SITES = (100, 300)
"""Smallest and largest batch."""


@dataclass(frozen=True)
class Network:
    """Architecture, and the weights that its encoder starts from (None: random ones).

    features: how it reads crystals. training: but for the size of batches.
    """

    settings: ModelSettings = field(repr=False)
    training: TrainingSettings = field(repr=False)
    features: FeatureSettings
    encoder: Path | None = None


def train_network(
    network: Network,
    store: CrystalStore,
    n_sites: Int,
    rows: Int,
    label: Float,
    seed: int,
) -> dict[str, NDArray]:
    """Train on the crystals `rows` (m,) of a store with `label` (m,); the weights as arrays.

    The weights are those of the last epoch: a share of few labels cannot tell which one is best,
    and all of them are wanted for learning. Those of a training that diverged are the first ones,
    whose errors keep them from being chosen. One thread, so that results do not depend on the
    machine's cores.
    """
    target = np.zeros(len(store))
    target[rows] = label
    names = np.array(store.ids, dtype=object)
    data = TaskData(store, Featurised(Path(), names, np.full(len(names), ""), n_sites), target)
    fitting, batch_sites = torch.from_numpy(rows), int(n_sites[rows].sum()) // STEPS
    training = replace(
        network.training, batch_sites=int(np.clip(batch_sites, *BATCH_SITES)), seed=seed
    )
    with one_thread():
        model = new_model(data, fitting, network.encoder, network.settings, training)
        first = _arrays(model)
        batches = Batches(data, fitting, training.batch_sites, shuffle=seed)
        train_epochs(FewLabelsTask(model, training, batches), training, torch.device("cpu"))
    trained = _arrays(model)
    return trained if all(np.isfinite(values).all() for values in trained.values()) else first


def _arrays(model: SiteNet) -> dict[str, NDArray]:
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
