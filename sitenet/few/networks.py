"""Site-Net as an arm: from random weights, or from the encoder of a trained model."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sitenet.model.inference import predict
from sitenet.model.sitenet import SiteNet
from sitenet.options.features import FeatureSettings
from sitenet.options.model import ModelSettings
from sitenet.options.option import LARGEST_SEED
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

SEEDS = 3
"""Of networks that predict new crystals, or are judged. Inner folds have one, as they are many."""


@dataclass(frozen=True)
class Network:
    """Architecture, and the weights that its encoder starts from (None: random ones).

    features: how it reads crystals. training: but for the size of batches. seeds: how many networks
    it is the mean of.
    """

    settings: ModelSettings = field(repr=False)
    training: TrainingSettings = field(repr=False)
    features: FeatureSettings
    encoder: Path | None = None
    seeds: int = 1


def train_network(
    network: Network,
    store: CrystalStore,
    n_sites: Int,
    rows: Int,
    label: Float,
    seed: int,
) -> dict[str, NDArray]:
    """Train on the crystals `rows` (m,) of a store with `label` (m,).

    Returns the weights as arrays, of network k as `k.NAME`; its seed is `seed` + k. They are those
    of the last epoch: a share of few labels cannot tell which one is best, and all of them are
    wanted for learning. Those of a training that diverged are the first ones, whose errors keep
    them from being chosen. One thread, so that results do not depend on the machine's cores.
    """
    target = np.zeros(len(store))
    target[rows] = label
    names = np.array(store.ids, dtype=object)
    data = TaskData(store, Featurised(Path(), names, np.full(len(names), ""), n_sites), target)
    fitting, batch_sites = torch.from_numpy(rows), int(n_sites[rows].sum()) // STEPS
    batch_sites = int(np.clip(batch_sites, *BATCH_SITES))
    found: dict[str, NDArray] = {}
    for k in range(network.seeds):
        own = (seed + k) % (LARGEST_SEED + 1)
        training = replace(network.training, batch_sites=batch_sites, seed=own)
        trained = _trained(network, data, fitting, training)
        found |= {f"{k}.{name}": values for name, values in trained.items()}
    return found


def _trained(
    network: Network, data: TaskData, fitting: Tensor, training: TrainingSettings
) -> dict[str, NDArray]:
    with one_thread():
        model = new_model(data, fitting, network.encoder, network.settings, training)
        first = _arrays(model)
        batches = Batches(data, fitting, training.batch_sites, shuffle=training.seed)
        train_epochs(FewLabelsTask(model, training, batches), training, torch.device("cpu"))
    trained = _arrays(model)
    return trained if all(np.isfinite(values).all() for values in trained.values()) else first


def _arrays(model: SiteNet) -> dict[str, NDArray]:
    return {name: tensor.numpy().copy() for name, tensor in model.state_dict().items()}


def predict_network(
    network: Network, arrays: Mapping[str, NDArray], store: CrystalStore, rows: Int
) -> Float:
    """Mean predictions (m,) of crystals `rows` (m,).

    Raises ValueError for weights of other networks.
    """
    model = SiteNet(network.settings)
    order = np.argsort(rows, kind="stable")
    found = []
    several = len({name.partition(".")[0] for name in arrays if "." in name})
    for k in range(max(several, 1)):
        weights = {name: torch.from_numpy(arrays[f"{k}.{name}"]) for name in model.state_dict()
                   if f"{k}.{name}" in arrays}  # fmt: skip
        try:
            model.load_state_dict(weights)
        except RuntimeError as error:
            raise ValueError(f"the weights are of another network: {error}") from None
        with one_thread():
            found.append(predict(model, store, crystals=rows[order]))
    values = np.empty(len(rows))
    values[order] = np.mean(found, axis=0)
    return values
