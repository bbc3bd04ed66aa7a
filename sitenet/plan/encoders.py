"""Encoders that are compared, and the labels that they are compared on."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sitenet.plan import paths
from sitenet.plan.datasets import DataSet, LabelledTask
from sitenet.plan.names import Options


@dataclass(frozen=True)
class ComparedEncoder:
    """One training of a kind: `number` in its list, and the files of its weights."""

    kind: str
    number: int
    weights: str

    @property
    def description(self) -> str:
        return str(Path(self.weights).with_suffix(".json"))

    def vectors(self, dataset: DataSet) -> str:
        """Vectors of the drawn crystals of a data set, trained and untrained."""
        return paths.ENCODER_VECTORS.format(
            dataset=dataset.name, kind=self.kind, number=self.number
        )


@dataclass(frozen=True)
class ComparedTask(LabelledTask):
    """A label to learn from vectors; `section` has the options of the comparison."""

    dataset: DataSet
    task: str
    encoders: tuple[ComparedEncoder, ...] = field(repr=False)
    section: Options = field(repr=False, compare=False)

    @property
    def title(self) -> str:
        """Its heading in figures, and its name in tables."""
        return f"{self.dataset.name} {self.task.replace('_', ' ')}"

    @property
    def names(self) -> list[tuple[str, str, int]]:
        """Title, kind and number of each of `errors`; the descriptors have no kind."""
        return [(self.title, "", 0), *((self.title, one.kind, one.number) for one in self.encoders)]

    @property
    def descriptors(self) -> str:
        return paths.ENCODER_DESCRIPTORS.format(dataset=self.dataset.name)

    @property
    def settings(self) -> dict[str, Any]:
        """What decides the errors, other than data and vectors."""
        return {name: v for name, v in self.section.items() if name not in ("kinds", "tasks")}

    @property
    def errors(self) -> list[str]:
        """Errors of simple models on descriptors, and on the vectors of each encoder."""
        names = {"dataset": self.dataset.name, "task": self.task}
        own = [
            paths.ENCODER_ERRORS.format(kind=one.kind, number=one.number, **names)
            for one in self.encoders
        ]
        return [paths.DESCRIPTOR_ERRORS.format(**names), *own]
