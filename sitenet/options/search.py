"""Options of a search for hyperparameters."""

from collections.abc import Mapping
from dataclasses import dataclass


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
