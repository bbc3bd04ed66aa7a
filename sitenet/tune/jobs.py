"""What every trial of a search trains, and what a search leaves."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sitenet.train.supervised import RunInputs


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
