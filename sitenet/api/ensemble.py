"""One or several trained models as one: their mean prediction, its spread and its interval."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from sitenet.api.located import located
from sitenet.evaluate.conformal import Interval, interval
from sitenet.evaluate.training_set import TrainingSet, read_training_set
from sitenet.model.description import Description, UnusableModel, read_description
from sitenet.model.inference import BATCH_SITES, predict, predict_and_keep
from sitenet.model.saving import load_model
from sitenet.model.sitenet import SiteNet
from sitenet.options.features import FeatureSettings
from sitenet.shards.store import CrystalStore


@dataclass(frozen=True)
class Member:
    """A trained model; `known` is None without the predictions of its run."""

    weights: Path
    network: SiteNet = field(repr=False)
    about: Description = field(repr=False)
    known: TrainingSet | None = field(repr=False)


class Found(NamedTuple):
    """Predictions (n,), their standard deviation (n,) over the members, first member's vectors."""

    prediction: NDArray[np.float64]
    spread: NDArray[np.float64] | None
    vectors: NDArray[np.float32]


@dataclass(frozen=True)
class Ensemble:
    """Members for one label and with the same features; a single model is an ensemble of one.

    The mean is weighted by the inverse of the validation error, as in the pipeline's ensembles;
    members whose error is not known have equal weights.
    """

    members: tuple[Member, ...]

    @classmethod
    def load(cls, model: str | Path) -> "Ensemble":
        """Read all members; see `located` for `model`. Raises UnusableModel or DamagedTable."""
        members = tuple(map(_read, located(model)))
        first = members[0].about
        for member in members[1:]:
            for what in ("features", "label"):
                if member.about.content.get(what) != first.content.get(what):
                    raise UnusableModel(
                        f"{members[0].weights} and {member.weights} are no ensemble: they have "
                        f"different {what}; give the path of one"
                    )
        return cls(members)

    @property
    def about(self) -> Description:
        """The description of the first member."""
        return self.members[0].about

    @property
    def features(self) -> FeatureSettings:
        """How crystals are featurised. Raises UnusableModel."""
        return self.about.features()

    @property
    def known(self) -> TrainingSet | None:
        """The training set of the first member."""
        return self.members[0].known

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """Weights (members,) of the mean; their sum is 1."""
        known = [m.known for m in self.members]
        errors = [np.abs(list(k.residuals.values())).mean() for k in known if k and k.residuals]
        sound = len(errors) == len(known) and min(errors) > 0
        weights = 1 / np.array(errors) if sound else np.ones(len(known))
        return weights / weights.sum()

    @cached_property
    def residuals(self) -> list[float]:
        """Of validation crystals: of the mean of those members for which they are such."""
        return self._validation[0].tolist()

    @cached_property
    def _validation(self) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
        """Residuals (v,) of the mean; their spread (v,) if all members have the same crystals."""
        known = [member.known.residuals if member.known else {} for member in self.members]
        ids = list(dict.fromkeys(name for residuals in known for name in residuals))
        table = np.array([[own.get(name, np.nan) for name in ids] for own in known])
        weights = np.where(np.isnan(table), 0.0, self.weights[:, None])
        weights /= weights.sum(axis=0)
        mean = (weights * np.nan_to_num(table)).sum(axis=0)
        if len(known) == 1 or np.isnan(table).any():
            return mean, None
        return mean, np.sqrt(self.weights @ (table - mean) ** 2)

    def interval(self, level: float) -> Interval:
        """Half widths of intervals of this level. Raises ValueError for an impossible level."""
        return interval(level, *self._validation)

    def predict(self, store: CrystalStore) -> Found:
        """Predictions for the crystals of a store, on its device."""
        first, *others = (member.network for member in self.members)
        value, vectors = predict_and_keep(first, store, BATCH_SITES, np.arange(len(store)))
        values = np.stack([value, *(predict(network, store) for network in others)])
        mean = self.weights @ values.astype(np.float64)
        spread = np.sqrt(self.weights @ (values - mean) ** 2) if others else None
        return Found(mean, spread, vectors)


def _read(weights: Path) -> Member:
    network = load_model(weights)
    about = read_description(weights)
    about.features()
    known = read_training_set(weights.parent, network.crystal_width)
    return Member(weights, network, about, known)


def chosen_device(name: str) -> torch.device:
    """`auto` (a GPU if there is one), `cpu`, `gpu` or a name of torch. Raises ValueError."""
    present = torch.cuda.is_available()
    if name in ("auto", "gpu", "cuda") or name.startswith("cuda:"):
        if present:
            return torch.device(name if name.startswith("cuda") else "cuda")
        if name != "auto":
            raise ValueError(f"device {name}: there is no GPU that torch can use")
        return torch.device("cpu")
    if name != "cpu":
        raise ValueError(f"device must be auto, cpu, gpu or cuda:NUMBER, not {name}")
    return torch.device("cpu")
