"""Experiments on what representations are worth where labels are few."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sitenet.plan import paths
from sitenet.plan.datasets import DataSet, FeaturisedSet
from sitenet.plan.names import Options, UnknownName
from sitenet.plan.pretraining import Pretraining
from sitenet.plan.runs import Run

ARMS = ("random", "infomax", "supervised")
"""Weights that a training on few labels starts from."""

MAPPED = ("infomax", "untrained")
"""Representations that are mapped on a plane."""


@dataclass(frozen=True)
class Experiment:
    """A task to learn from few labels.

    `ablation` is a pre-training to compare with; `supervised` the run whose encoder learned
    another task from all its labels; `figure` is `main` or `phonons`.
    """

    name: str
    crystals: FeaturisedSet
    task: str
    pretraining: Pretraining
    ablation: Pretraining | None
    supervised: Run | None
    figure: str
    infomax: Options = field(repr=False, compare=False)

    @property
    def label(self) -> Options:
        """Column, unit and output of the label."""
        return self.crystals.dataset.task(self.task)

    @property
    def unit(self) -> str:
        return str(self.label["unit"])

    @property
    def n(self) -> int:
        return self.crystals.n

    @property
    def structures(self) -> str:
        return self.crystals.dataset.structures

    @property
    def labels(self) -> str:
        return self.crystals.dataset.labels(self.task)

    @property
    def split(self) -> str:
        return self.crystals.dataset.split(self.task)

    @property
    def shards(self) -> list[str]:
        return self.crystals.shards

    @property
    def arms(self) -> list[str]:
        return [arm for arm in ARMS if arm != "supervised" or self.supervised]

    @property
    def transfers(self) -> list[str]:
        """Errors of all arms and numbers of labels."""
        return [
            Transfer(self, arm, labels).table
            for arm in self.arms
            for labels in self.infomax["transfer"]["label_counts"]
        ]

    @property
    def descriptor_rejections(self) -> list[str]:
        """Lists of crystals that a descriptor cannot describe."""
        return [
            paths.rejections(table)
            for descriptor in self.infomax["representation"]["descriptors"]
            for table in self.crystals.dataset.descriptors(descriptor)
        ]


@dataclass(frozen=True)
class Tested:
    """What an encoder is used for: it must not see these test crystals."""

    tests: tuple[tuple[DataSet, str, int], ...]
    """Data set, task and fold of each (0 without a cross-validation)."""

    @property
    def structures(self) -> list[str]:
        """The table of structures of each."""
        return [dataset.structures for dataset, *_ in self.tests]

    @property
    def splits(self) -> list[str]:
        """The split of each."""
        return [dataset.split(task, fold) for dataset, task, fold in self.tests]


@dataclass(frozen=True)
class Transfer:
    """An experiment's trainings on one number of labels from one kind of weights."""

    experiment: Experiment
    arm: str
    labels: int

    @property
    def table(self) -> str:
        return paths.TRANSFER.format(
            experiment=self.experiment.name, arm=self.arm, labels=self.labels
        )

    @property
    def encoder(self) -> list[str]:
        """Weights to start from, and their description; none for random ones."""
        if self.arm == "random":
            return []
        if self.arm == "infomax":
            pretraining = self.experiment.pretraining
            return [pretraining.weights, pretraining.description]
        run = self.experiment.supervised
        if run is None:
            raise UnknownName(f"{self.experiment.name} has no other task to train an encoder on")
        return [run.file("model.safetensors"), run.file("model.json")]

    @property
    def settings(self) -> dict[str, Any]:
        """What decides it, other than its data."""
        infomax = self.experiment.infomax
        model = {
            **infomax["model"],
            "site_feature_scaling": infomax["site_feature_scaling"],
            "output": self.experiment.label["output"],
        }
        options = {name: infomax["transfer"][name] for name in ("seeds", "validation", "training")}
        return {**options, "labels": self.labels, "model": model}


@dataclass(frozen=True)
class Representation:
    """A fixed representation of an experiment's crystals, learned or a descriptor."""

    experiment: Experiment
    name: str

    @property
    def vectors(self) -> list[str]:
        """Tables with the vectors: one of a learned representation, or a descriptor's parts."""
        experiment = self.experiment
        if self.name == "infomax":
            return [self._embeddings(paths.EMBEDDINGS, experiment.pretraining)]
        if self.name == "untrained":
            return [self._embeddings(paths.UNTRAINED, experiment.pretraining)]
        if self.name == "without_synthetic":
            if experiment.ablation is None:
                raise UnknownName(f"{experiment.name} has no ablation to compare with")
            return [self._embeddings(paths.EMBEDDINGS, experiment.ablation)]
        return experiment.crystals.dataset.descriptors(self.name)

    @property
    def errors(self) -> str:
        """Errors of simple models on it."""
        return self._path(paths.REPRESENTATION)

    @property
    def map(self) -> str:
        return self._path(paths.MAP)

    @property
    def silhouettes(self) -> str:
        return self._path(paths.SILHOUETTES)

    def _embeddings(self, pattern: str, encoder: Pretraining) -> str:
        """Vectors of the experiment's crystals, which the encoder need not have seen."""
        crystals = self.experiment.crystals
        return pattern.format(dataset=crystals.dataset.name, n=crystals.n, pretraining=encoder.name)

    def _path(self, pattern: str) -> str:
        return pattern.format(experiment=self.experiment.name, representation=self.name)


class Experiments(tuple[Experiment, ...]):
    """Experiments that a figure shows, in order; lists of files go experiment by experiment."""

    @property
    def titles(self) -> list[str]:
        """Headings in figures."""
        return [one.name.replace("_", " ") for one in self]

    @property
    def properties(self) -> list[str]:
        """Names of the labels in figures."""
        return [one.task.replace("_", " ") for one in self]

    @property
    def units(self) -> list[str]:
        return [one.unit for one in self]

    @property
    def transfers(self) -> list[str]:
        """Errors of all arms and numbers of labels."""
        return [path for one in self for path in one.transfers]

    def errors(self, representations: Sequence[str]) -> list[str]:
        """Errors of simple models on these representations."""
        return [Representation(one, name).errors for one in self for name in representations]

    @property
    def maps(self) -> list[str]:
        """Maps of the trained and of the untrained representation."""
        return [Representation(one, name).map for one in self for name in MAPPED]

    @property
    def silhouettes(self) -> list[str]:
        """Scores of these maps."""
        return [Representation(one, name).silhouettes for one in self for name in MAPPED]
