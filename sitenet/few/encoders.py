"""Vectors of trained encoders, each beside an untrained one of the same architecture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sitenet.crystal.featurise import MergedCrystal
from sitenet.files import PACKAGE
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

    source: what is told of it. features: how it reads crystals. control: name of the untrained one;
    empty for one that is untrained itself. labelled: whether it learned labels. weights: file of a
    trained one, None where it was read with a fit.
    """

    name: str
    source: str
    network: SiteNet = field(repr=False)
    features: FeatureSettings
    control: str = ""
    labelled: bool = False
    weights: Path | None = None

    def vectors(self, stores: Stores) -> Float:
        """Z and the mean of the atoms' vectors of each crystal, side by side: (n, d)."""
        both = [embed(self.network, stores[self.features], local) for local in (False, True)]
        return np.hstack(both).astype(np.float64)


def numbered(paths: Sequence[Path]) -> dict[str, Path]:
    """Weights by the names `encoder1`, ..."""
    return {f"encoder{number}": path for number, path in enumerate(paths, start=1)}


def load_encoders(weights: Mapping[str, Path], seed: int) -> list[Encoder]:
    """Trained encoders by their names, and after each its control, `untrained_NAME`.

    Encoders of one architecture have the same control, called after the first. Raises
    UnusableModel for files that hold none.
    """
    found: list[Encoder] = []
    controls: dict[tuple, str] = {}
    for name, path in weights.items():
        network, description = load_model(path), read_description(path)
        features = description.features()
        alike = (network.settings, features)
        known = alike in controls
        control = controls.setdefault(alike, f"untrained_{name}")
        found.append(
            Encoder(name, _told(path), network, features, control,
                    labelled="label" in description.content, weights=path)
        )  # fmt: skip
        if not known:
            torch.manual_seed(seed)
            plain = SiteNet(network.settings).eval()
            found.append(Encoder(control, f"random weights, as {name}", plain, features))
    return found


def _told(path: Path) -> str:
    """A path; of a file of the package where it is in that, as this is installed anywhere."""
    inside = path.resolve()
    return str(inside.relative_to(PACKAGE.parent) if inside.is_relative_to(PACKAGE) else path)


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
