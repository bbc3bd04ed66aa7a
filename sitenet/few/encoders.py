"""Vectors of trained encoders, each beside an untrained one of the same architecture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sitenet.crystal.featurise import MergedCrystal
from sitenet.model.description import read_description
from sitenet.model.inference import embed
from sitenet.model.saving import load_model, save_model
from sitenet.model.sitenet import SiteNet
from sitenet.options.features import FeatureSettings
from sitenet.shards.guarded import Kinds
from sitenet.shards.store import CrystalStore

Float = NDArray[np.float64]
Stores = Mapping[FeatureSettings, CrystalStore]
"""The same crystals, featurised in several ways."""

N_ATOMS = 50
"""N of the supercells where no encoder says otherwise."""


@dataclass(frozen=True)
class Encoder:
    """A network whose vectors are the columns of the group `name`.

    source: what is told of it, such as the path of its weights. features: how it reads crystals.
    control: name of the untrained one; empty for one that is untrained itself. labelled: whether it
    learned labels.
    """

    name: str
    source: str
    network: SiteNet = field(repr=False)
    features: FeatureSettings
    control: str = ""
    labelled: bool = False

    def vectors(self, stores: Stores) -> Float:
        """Z and the mean of the atoms' vectors of each crystal, side by side: (n, d)."""
        both = [embed(self.network, stores[self.features], local) for local in (False, True)]
        return np.hstack(both).astype(np.float64)


def load_encoders(paths: Sequence[Path], seed: int) -> list[Encoder]:
    """Trained encoders `encoder1`, ... and after each its control `untrained1`, ...

    Encoders of one architecture have the same control. Raises UnusableModel for files that hold
    none.
    """
    found: list[Encoder] = []
    controls: dict[tuple, str] = {}
    for number, path in enumerate(paths, start=1):
        network, description = load_model(path), read_description(path)
        features = description.features()
        alike = (network.settings, features)
        known = alike in controls
        control = controls.setdefault(alike, f"untrained{number}")
        found.append(
            Encoder(f"encoder{number}", str(path), network, features, control,
                    labelled="label" in description.content)
        )  # fmt: skip
        if not known:
            torch.manual_seed(seed)
            plain = SiteNet(network.settings).eval()
            found.append(Encoder(control, f"random weights, as {path}", plain, features))
    return found


def kinds_of(encoders: Sequence[Encoder]) -> Kinds:
    """How crystals are featurised for these encoders; descriptors are made from the first."""
    return tuple(dict.fromkeys(one.features for one in encoders)) or (
        FeatureSettings(n_atoms=N_ATOMS),
    )


def stores_of(
    ids: Sequence[str],
    crystals: Sequence[tuple[MergedCrystal, ...]],
    kinds: Kinds,
    device: torch.device | str = "cpu",
) -> Stores:
    """The crystals (n) of each kind (k) in memory."""
    return {
        kind: CrystalStore.from_crystals(ids, [one[k] for one in crystals]).to(device)
        for k, kind in enumerate(kinds)
    }


def write_encoder(encoder: Encoder, folder: Path) -> None:
    """Write a network as a model of its own, which `read_encoder` reads."""
    folder.mkdir(parents=True, exist_ok=True)
    network = encoder.network
    save_model(network, network.settings, folder / "model.safetensors", folder / "model.json",
               features=encoder.features.to_dict())  # fmt: skip


def read_encoder(name: str, source: str, folder: Path) -> Encoder:
    """A network that `write_encoder` wrote. Raises UnusableModel."""
    weights = folder / "model.safetensors"
    return Encoder(name, source, load_model(weights), read_description(weights).features())
