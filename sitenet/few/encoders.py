"""Vectors of trained encoders, each beside an untrained one of the same architecture."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sitenet.model.description import UnusableModel, read_description
from sitenet.model.inference import embed
from sitenet.model.saving import load_model, save_model
from sitenet.model.sitenet import SiteNet
from sitenet.options.features import FeatureSettings
from sitenet.shards.store import CrystalStore

Float = NDArray[np.float64]

N_ATOMS = 50
"""N of the supercells where no encoder says otherwise."""


@dataclass(frozen=True)
class Encoder:
    """A network whose vectors are the columns of the group `name`.

    source: what is told of it, such as the path of its weights.
    """

    name: str
    source: str
    network: SiteNet = field(repr=False)

    def vectors(self, store: CrystalStore) -> Float:
        """Z and the mean of the atoms' vectors of each crystal, side by side: (n, d)."""
        both = [embed(self.network, store, local) for local in (False, True)]
        return np.hstack(both).astype(np.float64)


def load_encoders(paths: Sequence[Path], seed: int) -> list[Encoder]:
    """Trained encoders `encoder1`, ... and after each its control `untrained1`, ...

    Raises UnusableModel for files that hold none.
    """
    found = []
    for number, path in enumerate(paths, start=1):
        network = load_model(path)
        found.append(Encoder(f"encoder{number}", str(path), network))
        torch.manual_seed(seed)
        control = SiteNet(network.settings).eval()
        found.append(Encoder(f"untrained{number}", f"random weights, as {path}", control))
    return found


def features_of(paths: Sequence[Path]) -> FeatureSettings:
    """How crystals are featurised for these encoders. Raises UnusableModel if they differ in it."""
    found = [read_description(path).features() for path in paths]
    for path, features in zip(paths, found, strict=True):
        if features != found[0]:
            raise UnusableModel(
                f"{paths[0]} and {path} read crystals differently (features in their JSON): give "
                "encoders with the same"
            )
    return found[0] if found else FeatureSettings(n_atoms=N_ATOMS)


def write_encoder(encoder: Encoder, folder: Path, features: FeatureSettings) -> None:
    """Write a network as a model of its own, which `read_encoder` reads."""
    folder.mkdir(parents=True, exist_ok=True)
    network = encoder.network
    save_model(network, network.settings, folder / "model.safetensors", folder / "model.json",
               features=features.to_dict())  # fmt: skip


def read_encoder(name: str, source: str, folder: Path) -> Encoder:
    """A network that `write_encoder` wrote. Raises UnusableModel."""
    return Encoder(name, source, load_model(folder / "model.safetensors"))
