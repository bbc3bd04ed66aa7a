"""A training as plain values, from which any process can prepare its part in it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from sitenet.options.training import LoopSettings
from sitenet.train.history import Report
from sitenet.train.task import Task


@dataclass(frozen=True)
class Training(ABC):
    """What is trained and how, as plain values and paths.

    `history` is the table of epochs, `checkpoints` a folder that lives while the training is
    unfinished, `accelerator` cpu or gpu; `label` names the training in the log.
    """

    settings: LoopSettings
    history: Path
    checkpoints: Path
    accelerator: str
    label: str

    @abstractmethod
    def load_task(self) -> Task:
        """Read the data and make the initial model, which depends on the seed only."""

    @abstractmethod
    def report(self) -> Report:
        """What writes the history and logs the epochs."""
