"""What is trained with all labels: variants, settings, runs and ensembles."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sitenet.options.config import ENCODER, overlaid
from sitenet.plan import paths
from sitenet.plan.datasets import FeaturisedSet
from sitenet.plan.names import Options, entry


@dataclass(frozen=True)
class Variant:
    """The options `model` and `training` under a name; `overlay` is what the name changes of them.

    Its trainings start from the encoders of `pretrainings`, if any, one after another.
    """

    name: str
    model: Options = field(repr=False, compare=False)
    training: Options = field(repr=False, compare=False)
    site_feature_scaling: str = field(repr=False, compare=False)
    overlay: Options = field(repr=False, compare=False)
    pretrainings: tuple[str, ...] = field(default=(), repr=False, compare=False)

    @classmethod
    def from_config(cls, config: Mapping[str, Any], name: str) -> "Variant":
        """The variant of this name; `encoder` is that of Deep InfoMax. Raises UnknownName."""
        infomax = config["infomax"]
        if name == ENCODER:
            scaling = infomax["site_feature_scaling"]
            return cls(name, infomax["model"], infomax["supervised"], scaling, overlay={})
        section = entry(config["variants"], name)
        overlay = {part: section[part] for part in ("model", "training") if part in section}
        return cls(
            name,
            model=overlaid(config["model"], overlay.get("model", {})),
            training=overlaid(config["training"], overlay.get("training", {})),
            site_feature_scaling=config["features"]["site_feature_scaling"],
            overlay=overlay,
            pretrainings=tuple(section.get("pretrainings", ())),
        )


@dataclass(frozen=True)
class Setting:
    """A data set, the size of its supercells, a task and a variant."""

    crystals: FeaturisedSet
    task: str
    variant: Variant

    @property
    def names(self) -> dict[str, Any]:
        """Its wildcards."""
        return {
            "dataset": self.crystals.dataset.name,
            "n": self.crystals.n,
            "task": self.task,
            "variant": self.variant.name,
        }

    @property
    def folder(self) -> str:
        """Of its runs."""
        return paths.SETTING.format(**self.names)

    @property
    def label(self) -> Options:
        """Column, unit and output of the label."""
        task = self.crystals.dataset.task(self.task)
        return {name: value for name, value in task.items() if name != "known_range"}

    @property
    def known_range(self) -> float | None:
        """Of the label, in A."""
        known: float | None = self.crystals.dataset.task(self.task)["known_range"]
        return known

    def with_cutoff(self, other: "Setting") -> float | None:
        """The cutoff in A in which alone another setting differs from this one, which has none."""
        ours, theirs = self.model, other.model
        cutoff: float | None = theirs["cutoff"]
        alike = (
            (self.crystals, self.task, self.variant.training, self.variant.pretrainings)
            == (other.crystals, other.task, other.variant.training, other.variant.pretrainings)
            and ours["cutoff"] is None
            and {**theirs, "cutoff": None} == ours
        )
        return cutoff if alike else None

    @property
    def auxiliary_labels(self) -> list[str]:
        """Tables of other labels that are learned beside."""
        others = [task for task in self.variant.training["auxiliary"] if task != self.task]
        return [self.crystals.dataset.labels(task) for task in others]

    @property
    def computed_targets(self) -> list[str]:
        """Tables of numbers computed from the crystals, if they are learned beside."""
        learned = self.variant.training["computed_targets"]
        return self.crystals.computed_targets if learned else []

    @property
    def model(self) -> dict[str, Any]:
        """What decides the network."""
        return {
            **self.variant.model,
            "site_feature_scaling": self.variant.site_feature_scaling,
            "output": self.label["output"],
        }


class OfSetting:
    """What trainings of a setting read, for dataclasses with this field."""

    setting: Setting

    @property
    def shards(self) -> list[str]:
        return self.setting.crystals.shards

    @property
    def auxiliary_labels(self) -> list[str]:
        return self.setting.auxiliary_labels

    @property
    def computed_targets(self) -> list[str]:
        return self.setting.computed_targets

    @property
    def features(self) -> dict[str, Any]:
        return self.setting.crystals.features

    @property
    def model(self) -> dict[str, Any]:
        """What decides the network."""
        return self.setting.model


@dataclass(frozen=True)
class Run(OfSetting):
    """One training of a setting."""

    setting: Setting
    seed: int

    def file(self, name: str) -> str:
        return f"{paths.RUN}/{name}".format(**self.setting.names, seed=self.seed)

    @property
    def split(self) -> str:
        return self.setting.crystals.dataset.split(self.setting.task, self.seed)

    @property
    def label(self) -> Options:
        return self.setting.label

    @property
    def unit(self) -> str:
        return str(self.label["unit"])

    @property
    def pretraining(self) -> str | None:
        """The pre-training, or path of an encoder, that it starts from; None: random weights."""
        names = self.setting.variant.pretrainings
        return names[self.seed % len(names)] if names else None

    @property
    def training(self) -> dict[str, Any]:
        """What decides the training."""
        return {**self.setting.variant.training, "seed": self.seed}

    @property
    def batch_sites(self) -> int:
        return int(self.training["batch_sites"])

    @property
    def nodes(self) -> int:
        return int(self.training["nodes"])

    @property
    def gpus(self) -> int:
        """GPUs on all its machines."""
        return self.nodes * int(self.training["devices"])


@dataclass(frozen=True)
class Restricted:
    """A run that differs from another one in a cutoff (A) alone.

    unrestricted: the index of the other one among the runs that figures show.
    """

    run: Run
    cutoff: float
    unrestricted: int


@dataclass(frozen=True)
class Ensemble:
    """The runs of a setting that the configuration asks for, by their seeds."""

    setting: Setting
    seeds: tuple[int, ...]

    @property
    def runs(self) -> "Runs":
        return Runs(Run(self.setting, seed) for seed in self.seeds)

    def file(self, name: str) -> str:
        return f"{paths.ENSEMBLE}/{name}".format(**self.setting.names)

    @property
    def predictions(self) -> list[str]:
        """Predictions of each run."""
        return self.runs.predictions

    @property
    def metrics(self) -> list[str]:
        """Errors of each run."""
        return self.runs.files("metrics.json")


class Runs(tuple[Run, ...]):
    """Runs that a table or figure is made from, in order."""

    @property
    def predictions(self) -> list[str]:
        """Predictions of each."""
        return self.files("predictions.parquet")

    def files(self, name: str) -> list[str]:
        """One file of each."""
        return [run.file(name) for run in self]

    @property
    def split_reports(self) -> list[str]:
        """Reports on their splits, each once."""
        return list(dict.fromkeys(run.split.removesuffix(".csv") + ".json" for run in self))

    @property
    def baselines(self) -> list[str]:
        """Errors of the baselines of their tasks, each file once."""
        settings = (run.setting for run in self)
        return list(dict.fromkeys(one.crystals.dataset.baselines(one.task) for one in settings))

    @property
    def complexity(self) -> list[str]:
        """The complexity of each one's crystals."""
        return [run.setting.crystals.dataset.complexity for run in self]

    @property
    def units(self) -> list[str]:
        return [run.unit for run in self]

    @property
    def known_ranges(self) -> list[float | None]:
        """What is known of the ranges of their labels, in A."""
        return [run.setting.known_range for run in self]

    @property
    def seeds(self) -> list[int]:
        return [run.seed for run in self]

    @property
    def datasets(self) -> list[str]:
        return [run.setting.crystals.dataset.name for run in self]

    @property
    def labels(self) -> list[str]:
        """What each one predicts: the same for runs whose errors can be compared."""
        return ["/".join(run.setting.names[k] for k in ("dataset", "task")) for run in self]

    @property
    def titles(self) -> list[str]:
        """Headings in figures: as short as they stay different."""
        names = [run.setting.names for run in self]
        several_sets, several_variants = (
            len({one[name] for one in names}) > 1 for name in ("dataset", "variant")
        )
        return [
            ", ".join([
                *([one["dataset"]] if several_sets else []),
                one["task"].replace("_", " "),
                f"N = {one['n']}",
                *([one["variant"]] if several_variants else []),
            ])
            for one in names
        ]  # fmt: skip
