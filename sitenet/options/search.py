"""Options of a search for hyperparameters."""

from collections.abc import Mapping
from dataclasses import dataclass

RANGES: dict[str, tuple[float, float]] = {
    "embedding_size": (1, 128),
    "site_features_per_head": (4, 32),
    "interaction_features_per_head": (4, 32),
    "heads": (1, 8),
    "blocks": (1, 3),
    "attention_depth": (0, 3),
    "attention_width": (32, 256),
    "pre_pool_depth": (1, 4),
    "pre_pool_width": (32, 256),
    "post_pool_depth": (1, 4),
    "post_pool_width": (32, 256),
    "learning_rate": (5e-5, 1e-2),
}
"""Smallest and largest value of each parameter, both possible."""


@dataclass(frozen=True)
class SearchSettings:
    """How the space is searched.

    `trials` configurations are drawn by `algorithm` (hyperopt or optuna, both by tree-structured
    Parzen estimators), at most `concurrent` at a time (None: as many as there are processors for).
    Each trains for `max_epochs` epochs unless, from epoch `grace_epochs` on, it is not among the
    best 1/`reduction_factor` that came as far (ASHA, arXiv:1810.05934). `ranges`: (smallest,
    largest) of every parameter in `tune.ranges`. `cpus`, `gpus`: of one trial (no GPU where the
    job computes on the CPU). `address`: of a running Ray cluster whose machines see this folder;
    None starts Ray here.
    """

    trials: int
    algorithm: str
    concurrent: int | None
    max_epochs: int
    grace_epochs: int
    reduction_factor: int
    seed: int
    ranges: Mapping[str, tuple[float, float]]
    cpus: int
    gpus: float
    address: str | None
