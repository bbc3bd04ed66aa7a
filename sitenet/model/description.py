"""The JSON beside the weights of a model: architecture, features and label, checked when read.

A model may come from anyone. Nothing in it is executed, no path is taken from it, and values that
no configuration could have are refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from sitenet.files import read_json
from sitenet.options.features import FeatureSettings
from sitenet.options.model import ModelSettings
from sitenet.options.option import LARGEST_N, Options
from sitenet.options.training import TrainingSettings

Group = TypeVar("Group", bound=Options)

MOST_BYTES = 2**20
"""Largest size of a description; usual ones have 2 kB."""


class UnusableModel(ValueError):
    """A model that is missing, damaged, incomplete or of another program; names file and remedy."""


@dataclass(frozen=True)
class Description:
    """What a model is: `content` of the file `path`, and its architecture `model`."""

    path: Path
    content: Mapping[str, Any]
    model: ModelSettings

    def features(self) -> FeatureSettings:
        """How its training data were featurised. Raises UnusableModel."""
        features = _settings(FeatureSettings, self.content, "features", self.path)
        if not 1 <= features.n_atoms <= LARGEST_N:
            raise UnusableModel(
                f"{self.path}: features.n_atoms must be from 1 to {LARGEST_N:,}, not "
                f"{features.n_atoms}"
            )
        if self.model.site_geometry and not features.site_geometry:
            raise UnusableModel(
                f"{self.path}: model.site_geometry is true, but features.site_geometry is not"
            )
        return features

    def unit(self) -> str:
        """Unit of its label. Raises UnusableModel for a model without one."""
        label = self.content.get("label")
        if label is None:
            raise UnusableModel(
                f"{self.path} names no label: the model predicts none (`sitenet embed` takes it)"
            )
        unit = label.get("unit") if isinstance(label, Mapping) else None
        if not isinstance(unit, str) or not unit.isprintable():
            raise UnusableModel(f"{self.path}: label.unit must be text, not {unit!r:.80}")
        return unit


def read_description(weights: Path, description: Path | None = None) -> Description:
    """Read the JSON beside `weights`, or `description`. Raises UnusableModel."""
    path = description or Path(weights).with_suffix(".json")
    if not path.is_file():
        raise UnusableModel(
            f"{path} does not exist: the description of a model belongs beside {weights}"
        )
    return _read(path, path.stat().st_mtime_ns)


def memory_limit(description: Path) -> int:
    """Bytes that the training of a model allowed itself for crystals.

    The default where the model was not trained here.
    """
    training = read_json(description).get("training", {})
    return round(training.get("memory_gib", TrainingSettings.memory_gib) * 2**30)


@lru_cache(maxsize=4)
def _read(path: Path, changed: int) -> Description:
    if path.stat().st_size > MOST_BYTES:
        raise UnusableModel(f"{path} is too large for the description of a model")
    try:
        content = read_json(path)
    except (ValueError, RecursionError) as error:
        raise UnusableModel(f"{path} is no JSON ({error}): copy or train the model anew") from None
    if not isinstance(content, dict):
        raise UnusableModel(f"{path} is not the description of a model of this program")
    return Description(path, content, _settings(ModelSettings, content, "model", path))


def _settings(group: type[Group], content: Mapping[str, Any], section: str, path: Path) -> Group:
    """A section of a description as options, which are checked. Raises UnusableModel."""
    values = content.get(section)
    if not isinstance(values, Mapping):
        raise UnusableModel(
            f"{path} has no section `{section}`: it is not the description of a model of this "
            "program, or not the one of `sitenet` that wrote the weights"
        )
    try:
        return group.from_untrusted(values)
    except ValueError as error:
        raise UnusableModel(f"{path}: {section}.{error}") from None
