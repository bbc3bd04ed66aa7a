"""Options of the best model for few labels."""

from dataclasses import dataclass
from typing import Literal

from sitenet.options.option import LARGEST_SEED, Options, option

Arms = Literal["ridge", "trees", "boosting", "gp", "network"]

DEFAULT_ARMS: tuple[Arms, ...] = ("ridge", "trees", "boosting", "gp")


@dataclass(frozen=True)
class FitSettings(Options):
    """What the best model for few labels is chosen from, and how."""

    arms: tuple[Arms, ...] = option(
        DEFAULT_ARMS,
        "Models to choose from, beside the mean: ridge regression, extremely randomised trees, "
        "gradient boosting, Gaussian process (`gp`), and Site-Net from random and from given "
        "weights (`network`, which takes as long as dozens of trainings).",
        not_empty=True,
        unique=True,
    )
    epochs: int = option(40, "Largest number of epochs of a `network`.", at_least=1)
    seed: int = option(0, "Seed of folds, trees and networks.", at_least=0, at_most=LARGEST_SEED)
