"""Experiments on the best model for few labels."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from sitenet.plan import paths
from sitenet.plan.datasets import DataSet, LabelledTask
from sitenet.plan.names import Options


@dataclass(frozen=True)
class FewLabels(LabelledTask):
    """A task to learn from few labels; `options` of the experiment, `section` of all of them.

    trainings: for each seed the weights of its encoders.
    """

    name: str
    dataset: DataSet
    task: str
    trainings: tuple[tuple[Path, ...], ...]
    options: Options = field(repr=False, compare=False)
    section: Options = field(repr=False, compare=False)

    @property
    def largest(self) -> float | None:
        """Labels above this are not used."""
        largest: float | None = self.options["largest"]
        return largest

    @property
    def curve(self) -> str:
        """Errors of all arms by number of labels."""
        return paths.LEARNING_CURVE.format(experiment=self.name)

    @property
    def fit(self) -> str:
        """The saved model."""
        return f"{paths.FEW_LABELS.format(experiment=self.name)}/fit/fit.json"

    @property
    def weights(self) -> list[Path]:
        """Of all encoders, of one seed after the other, each once."""
        return list(dict.fromkeys(chain.from_iterable(self.trainings)))

    @property
    def encoders(self) -> list[str]:
        """Weights and descriptions of all encoders."""
        return _with_descriptions(self.weights)

    @property
    def first_encoders(self) -> list[str]:
        """Weights and descriptions of the encoders of the first seed."""
        return _with_descriptions(self.trainings[0])

    @property
    def encoder_sets(self) -> list[list[str]]:
        """Weights of the encoders that draws take in turn."""
        return [list(map(str, one)) for one in dict.fromkeys(self.trainings)]

    @property
    def fitted(self) -> dict[str, Any]:
        """What decides how arms are fitted."""
        return {name: self.section[name] for name in ("arms", "vector_arms", "epochs", "seed")}

    @property
    def draws(self) -> list[list[int]]:
        """Number of labels and number of the draw, of each draw of the learning curve."""
        counts, masks = self.section["label_counts"], self.section["masks"]
        each = masks * len(counts) if len(masks) == 1 else masks
        pairs = zip(counts, each, strict=True)
        return [[count, mask] for count, number in pairs for mask in range(number)]

    @property
    def saved(self) -> dict[str, Any]:
        """What decides the saved model, other than its data and arms."""
        return {
            "fit_labels": self.section["fit_labels"],
            "column": self.dataset.task(self.task)["column"],
        }


def _with_descriptions(weights: Iterable[Path]) -> list[str]:
    return [str(path) for one in weights for path in (one, one.with_suffix(".json"))]
