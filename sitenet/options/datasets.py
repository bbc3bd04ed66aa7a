"""Where the crystals of a data set come from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Task:
    """One label to predict."""

    name: str
    column: str
    """Name of the value in `RawRecord.labels`."""
    unit: str


@dataclass(frozen=True)
class SourceSettings:
    """The part of a data set's configuration that decides its table of structures."""

    dataset: str
    source: Mapping[str, Any]
    """`kind` and that kind's options."""
    tasks: tuple[Task, ...] = ()
    max_rejected_fraction: float = 0.2
    """Largest share of unusable crystals among those offered that is not an error."""

    @classmethod
    def from_config(cls, dataset: str, section: Mapping[str, Any]) -> "SourceSettings":
        """Settings of `config["datasets"][dataset]`, given as `section`."""
        tasks = tuple(
            Task(name, task.get("column", name), task["unit"])
            for name, task in section.get("tasks", {}).items()
        )
        fraction = section.get("max_rejected_fraction", cls.max_rejected_fraction)
        return cls(dataset, section["source"], tasks, fraction)

    @property
    def columns(self) -> tuple[str, ...]:
        """The label columns the tasks need, each once."""
        return tuple(dict.fromkeys(task.column for task in self.tasks))
