"""Deep InfoMax: pre-trainings, and experiments on what they are worth where labels are few."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sitenet.plan import paths
from sitenet.plan.datasets import DataSet, FeaturisedSet
from sitenet.plan.names import Options, UnknownName
from sitenet.plan.runs import Run

ARMS = ("random", "infomax", "supervised")
"""Weights that a training on few labels starts from."""


@dataclass(frozen=True)
class Pretraining:
    """An encoder trained without labels.

    `options` is its entry in the configuration, `infomax` the section that it is part of.
    """

    name: str
    crystals: FeaturisedSet
    held_out: tuple[DataSet, ...]
    options: Options = field(repr=False, compare=False)
    infomax: Options = field(repr=False, compare=False)

    def file(self, name: str) -> str:
        return f"{paths.PRETRAINING}/{name}".format(
            dataset=self.crystals.dataset.name, n=self.crystals.n, pretraining=self.name
        )

    @property
    def weights(self) -> str:
        return self.file("model.safetensors")

    @property
    def description(self) -> str:
        return self.file("model.json")

    @property
    def split(self) -> str:
        """The split whose training and validation parts are used."""
        return self.crystals.dataset.split(self.options["split"])

    @property
    def held_out_structures(self) -> list[str]:
        """Tables of structures whose ids are left out."""
        return [dataset.structures for dataset in self.held_out]

    @property
    def settings(self) -> dict[str, Any]:
        """What decides it, other than its crystals."""
        scaling = {"site_feature_scaling": self.infomax["site_feature_scaling"]}
        loss = {**self.infomax["loss"], **scaling}
        if self.options["false_samples"] is not None:
            loss["false_samples"] = self.options["false_samples"]
        return {
            "model": {**self.infomax["model"], **scaling},
            "loss": loss,
            "training": {**self.infomax["training"], "seed": self.options["seed"]},
        }

    @property
    def nodes(self) -> int:
        return int(self.infomax["training"]["nodes"])

    @property
    def gpus(self) -> int:
        """GPUs on all its machines."""
        return self.nodes * int(self.infomax["training"]["devices"])


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
    def title(self) -> str:
        """Its heading in figures."""
        return self.name.replace("_", " ")

    @property
    def property_name(self) -> str:
        return self.task.replace("_", " ")

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

    def errors(self, representations: Sequence[str]) -> list[str]:
        """Errors of simple models on these representations."""
        return [Representation(self, name).errors for name in representations]

    @property
    def maps(self) -> list[str]:
        """Maps of the trained and of the untrained representation."""
        return [Representation(self, name).map for name in ("infomax", "untrained")]

    @property
    def silhouettes(self) -> list[str]:
        """Scores of these maps."""
        return [Representation(self, name).silhouettes for name in ("infomax", "untrained")]


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
