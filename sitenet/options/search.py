"""Options of a search for hyperparameters."""

from dataclasses import dataclass
from typing import Literal

from sitenet.options.option import LARGEST_N, LARGEST_SEED, Options, option, required


@dataclass(frozen=True)
class SearchRanges(Options):
    """Smallest and largest value of each parameter, both possible.

    The defaults are those of Table 1 of doi:10.1039/d3dd00005b.
    """

    embedding_size: tuple[int, int] = option((1, 128), "Values of `embedding_size`.", at_least=1)
    site_features_per_head: tuple[int, int] = option(
        (4, 32), "Values of `site_features_per_head`.", at_least=1
    )
    interaction_features_per_head: tuple[int, int] = option(
        (4, 32), "Values of `interaction_features_per_head`.", at_least=1
    )
    heads: tuple[int, int] = option((1, 8), "Values of `heads`.", at_least=1)
    blocks: tuple[int, int] = option((1, 3), "Values of `blocks`.", at_least=1)
    attention_depth: tuple[int, int] = option((0, 3), "Numbers of `attention_layers`.", at_least=0)
    attention_width: tuple[int, int] = option(
        (32, 256), "Widths of `attention_layers`.", at_least=1
    )
    pre_pool_depth: tuple[int, int] = option((1, 4), "Numbers of `pre_pool_layers`.", at_least=0)
    pre_pool_width: tuple[int, int] = option((32, 256), "Widths of `pre_pool_layers`.", at_least=1)
    post_pool_depth: tuple[int, int] = option((1, 4), "Numbers of `post_pool_layers`.", at_least=0)
    post_pool_width: tuple[int, int] = option(
        (32, 256), "Widths of `post_pool_layers`.", at_least=1
    )
    learning_rate: tuple[float, float] = option(
        (5e-5, 1e-2), "Values of `learning_rate`, sampled on a logarithmic scale.", more_than=0
    )


RANGES: dict[str, tuple[float, float]] = SearchRanges().to_dict()
"""Smallest and largest value of each parameter of a search, both possible."""


@dataclass(frozen=True)
class SearchOptions(Options):
    """How configurations are sampled, run and stopped."""

    trials: int = option(30, "Number of configurations that are tried.", at_least=1)
    algorithm: Literal["hyperopt", "optuna"] = option(
        "hyperopt",
        "Library that samples configurations; both use tree-structured Parzen estimators.",
    )
    concurrent: int | None = option(
        None,
        "Largest number of trials at a time (the paper: 1); null: as many as there are processors "
        "for.",
        at_least=1,
    )
    grace_epochs: int = option(
        5, "Epochs that every trial is given before it can be stopped early.", at_least=1
    )
    reduction_factor: int = option(
        3,
        "r of the early stopping (ASHA, arXiv:1810.05934): after `grace_epochs` times 1, r, r² "
        "and so on, a trial goes on only if it is among the best 1/r of those that came as far.",
        at_least=2,
    )
    seed: int = option(
        0, "Seed of the sampling and of the trainings.", at_least=0, at_most=LARGEST_SEED
    )
    ranges: SearchRanges = option(SearchRanges(), "Smallest and largest value of each parameter.")
    cpus: int = option(1, "CPU threads of a trial.", at_least=1)
    gpus: float = option(
        1.0,
        "GPUs of a trial if the job has any; 0.5 runs two trials on one.",
        more_than=0,
    )
    address: str | None = option(
        None,
        "Address of a running Ray cluster whose machines see this folder, as in `ray.init` "
        "(`auto`, `10.0.0.1:6379`); with null, Ray is started on the threads and GPUs of the job.",
    )


@dataclass(frozen=True, kw_only=True)
class SearchSettings(SearchOptions):
    """How a space is searched; `max_epochs` is the largest number of epochs of a trial."""

    max_epochs: int


@dataclass(frozen=True, kw_only=True)
class SearchSection(SearchOptions):
    """A search for hyperparameters.

    The best trial is written to results/tuning/NAME/best.yaml, for `--configfile`.
    """

    dataset: str = required("Name of a data set.")
    n: int = required("N: largest number of atoms of a supercell.", at_least=1, at_most=LARGEST_N)
    task: str = required("Name of one of its tasks.")
    variant: str = option("sitenet", "Name of the variant that sets what is not searched.")
    max_epochs: int | None = option(
        None, "Largest number of epochs of a trial; null: that of `training`.", at_least=1
    )
