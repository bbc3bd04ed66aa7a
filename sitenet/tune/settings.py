"""What a search is told, and what it tells."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sitenet.train.supervised import RunInputs


@dataclass(frozen=True)
class SearchSettings:
    """How the space is searched.

    `trials` configurations are drawn by `algorithm` (hyperopt or optuna, both by tree-structured
    Parzen estimators), at most `concurrent` at a time (None: as many as there are processors for).
    Each trains for `max_epochs` epochs unless, from epoch `grace_epochs` on, it is not among the
    best 1/`reduction_factor` that came as far (ASHA, arXiv:1810.05934). `ranges`: (smallest,
    largest) of every parameter of `space.RANGES`. `cpus`, `gpus`: of one trial (no GPU where the
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


@dataclass(frozen=True)
class SearchJob:
    """What every trial trains: `model` and `training` are overlaid by the drawn parameters."""

    inputs: RunInputs
    model: Mapping[str, Any]
    training: Mapping[str, Any]
    folder: Path
    accelerator: str


@dataclass(frozen=True)
class Machine:
    """Processors that a search may use here, if it starts Ray itself."""

    cpus: int
    gpus: int


@dataclass(frozen=True)
class SearchOutputs:
    """Files of a search."""

    best: Path
    trials: Path
    curves: Path


@dataclass(frozen=True)
class Tried:
    """A trial: its `number` from 1, the id that names its folder, what was drawn, its error."""

    number: int
    id: str
    parameters: Mapping[str, Any]
    error: str | None


FINISHED = "finished"
"""An empty file in the folder of a trial that was not stopped on the way."""
