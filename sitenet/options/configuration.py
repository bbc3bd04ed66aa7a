"""The whole configuration of the pipeline, section by section."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sitenet.options.datasets import DatasetSection
from sitenet.options.encoders import EncodersSection
from sitenet.options.features import FeatureSection
from sitenet.options.few_labels import FewLabelsSection
from sitenet.options.infomax import InfoMaxSection
from sitenet.options.limits import LimitSettings
from sitenet.options.model import ModelSettings
from sitenet.options.option import (
    LARGEST_N,
    LARGEST_SEED,
    Options,
    option,
    overlay,
    required,
)
from sitenet.options.search import SearchSection
from sitenet.options.training import TrainingSettings


@dataclass(frozen=True)
class VariantSection(Options):
    """A named change of the network or its training, for some of the runs."""

    model: Mapping[str, Any] = overlay(ModelSettings, "Options that differ from those of `model`.")
    training: Mapping[str, Any] = overlay(
        TrainingSettings, "Options that differ from those of `training`."
    )
    pretrainings: tuple[str, ...] = option(
        (),
        "Names of pre-trainings of `infomax` whose encoders its trainings start from: the one with "
        "seed s from number s, counted from 0 and from the first again after the last. Their "
        "`variant` is this one. Paths of encoders with the same network are possible, too. Empty: "
        "from random weights, as in the paper.",
        unique=True,
    )


@dataclass(frozen=True)
class RunSection(Options):
    """What is trained: every task with every seed.

    Table 2 compares the runs on all training crystals, table 3 those that differ in `train_size`.
    """

    dataset: str = required("Name of a data set.")
    n: int = required("N: largest number of atoms of a supercell.", at_least=1, at_most=LARGEST_N)
    tasks: tuple[str, ...] = required("Names of its tasks.", not_empty=True, unique=True)
    variant: str = option("sitenet", "Variant of `model` and `training`, or `encoder`.")
    seeds: tuple[int, ...] = option(
        (0,),
        "Seeds of weights and batches, one training each.",
        at_least=0,
        at_most=LARGEST_SEED,
        not_empty=True,
        unique=True,
    )
    figures: bool = option(
        True, "Whether figures 5 to 7 and the table of invariance show the run (its first seed)."
    )


@dataclass(frozen=True, kw_only=True)
class Configuration(Options):
    """Options of the pipeline.

    A file given with `--configfile` is laid over `config.yaml`: its sections are merged with those
    there, its lists replace those there. Names of entries have letters, digits, - and _ only.
    """

    datasets: Mapping[str, DatasetSection] = required("Data sets, by name.", not_empty=True)
    features: FeatureSection = option(FeatureSection(), "From a crystal to numbers.")
    limits: LimitSettings = option(
        LimitSettings(), "What one crystal may take; one that takes more is rejected."
    )
    model: ModelSettings = option(ModelSettings(), "Architecture of the network.")
    training: TrainingSettings = option(TrainingSettings(), "How the network is trained.")
    training_threads: int = option(
        8,
        "Largest number of CPU threads of a training. With small batches, several trainings side "
        "by side are faster than one on all cores.",
        at_least=1,
    )
    variants: Mapping[str, VariantSection] = option(
        {"sitenet": VariantSection()}, "Changes of `model` and `training`, by name."
    )
    infomax: InfoMaxSection = option(InfoMaxSection(), "Deep InfoMax (doi:10.1039/d4dd00202d).")
    few_labels: FewLabelsSection = option(
        FewLabelsSection(), "The best model for few labels, which the target `few_labels` makes."
    )
    encoders: EncodersSection = option(
        EncodersSection(),
        "Trained encoders beside untrained ones and descriptors, on few labels, which the target "
        "`encoders` makes.",
    )
    tuning: Mapping[str, SearchSection] = option(
        {}, "Searches for hyperparameters, by name, which `make tune` runs."
    )
    runs: tuple[RunSection, ...] = required("What is trained.", not_empty=True)
