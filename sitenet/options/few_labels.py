"""Options of the best model for few labels."""

from dataclasses import dataclass
from typing import Literal

from sitenet.options.option import LARGEST_SEED, Name, Options, option, required
from sitenet.options.representation import LABEL_COUNTS

Arms = Literal["ridge", "trees", "boosting", "gp", "network"]

DEFAULT_ARMS: tuple[Arms, ...] = ("ridge", "trees", "boosting", "gp", "network")

Start = Literal["random", "unlabelled", "labelled"]

NETWORK_FROM = 250
NETWORK_STARTS: tuple[Start, ...] = ("random", "unlabelled")


def of_seed(encoder: str, seed: int) -> str:
    """The name of an encoder, with a seed in place of `*`."""
    return encoder.replace("*", str(seed))


@dataclass(frozen=True)
class FitSettings(Options):
    """What the best model for few labels is chosen from, and how."""

    arms: tuple[Arms, ...] = option(
        DEFAULT_ARMS,
        "Models to choose from, beside the mean: ridge regression, extremely randomised trees, "
        "gradient boosting, Gaussian process (`gp`), and Site-Net from random weights and from "
        "those of the encoders (`network`).",
        not_empty=True,
        unique=True,
    )
    vector_arms: tuple[Arms, ...] = option(
        ("ridge", "gp"),
        "Those of `arms` that are tried on vectors of each encoder and of all encoders together, "
        "by themselves and with all descriptors beside. Trees look at one column at a time, of "
        "which vectors have hundreds.",
        unique=True,
    )
    network_from: int = option(
        NETWORK_FROM,
        "Labels from which on a `network` is tried: it takes about 40 trainings for each start, "
        "and with fewer labels is seldom worth them.",
        at_least=1,
    )
    network_starts: tuple[Start, ...] = option(
        NETWORK_STARTS,
        "Weights that a `network` starts from: random ones, those of encoders that learned no "
        "label, and those of encoders that did (`labelled`).",
        unique=True,
    )
    epochs: int = option(40, "Epochs of a `network`.", at_least=1)
    seed: int = option(0, "Seed of folds, trees and networks.", at_least=0, at_most=LARGEST_SEED)


@dataclass(frozen=True)
class FewLabelsExperiment(Options):
    """A label to learn from few crystals."""

    name: Name = required("Name of the experiment, for folders and figures.")
    dataset: str = required("Name of a data set.")
    task: str = required("Name of one of its tasks.")
    largest: float | None = option(
        None, "Labels above this are not used, such as failed calculations; null: all are used."
    )
    encoders: tuple[str, ...] = option(
        (),
        "Trained models whose vectors are tried too: names of pre-trainings, runs as "
        "`DATASET/nN/TASK/VARIANT/seedS`, or paths of weights. Formulas of test crystals are left "
        "out of pre-trainings and runs; those of labelled ones by `hold_out` of their data. `*` "
        "stands for each of `encoder_seeds`.",
        unique=True,
    )


@dataclass(frozen=True)
class FewLabelsSection(FitSettings):
    """The best model for few labels, which the target `few_labels` makes."""

    experiments: tuple[FewLabelsExperiment, ...] = option((), "Labels to learn.")
    label_counts: tuple[int, ...] = option(
        LABEL_COUNTS,
        "Numbers of labels of the learning curves.",
        at_least=20,
        not_empty=True,
        unique=True,
    )
    masks: tuple[int, ...] = option(
        (5,),
        "Draws of the labels for each of `label_counts`; one number for all of them.",
        at_least=1,
        not_empty=True,
    )
    encoder_seeds: tuple[int, ...] = option(
        (0,),
        "What `*` in the names of encoders stands for. Draws of the learning curves take them in "
        "turn, so that means are over trainings of the encoders, too; the saved model takes the "
        "first.",
        at_least=0,
        at_most=LARGEST_SEED,
        not_empty=True,
        unique=True,
    )
    fit_labels: int = option(
        1000,
        "Largest number of labels that the saved model of an experiment is chosen and trained by, "
        "drawn by `seed`; nested cross-validation takes about 5 times as long as a learning curve.",
        at_least=20,
    )
