"""Searches for hyperparameters."""

from dataclasses import dataclass, field
from typing import Any

from sitenet.plan import paths
from sitenet.plan.names import Options
from sitenet.plan.runs import OfSetting, Setting


@dataclass(frozen=True)
class Search(OfSetting):
    """A search for better options of a setting; `options` is its entry in the configuration.

    Each trial replaces some options of `model` and `training`.
    """

    name: str
    setting: Setting
    options: Options = field(repr=False, compare=False)

    def file(self, name: str) -> str:
        return f"{paths.SEARCH}/{name}".format(search=self.name)

    @property
    def labels(self) -> str:
        return self.setting.crystals.dataset.labels(self.setting.task)

    @property
    def split(self) -> str:
        return self.setting.crystals.dataset.split(self.setting.task)

    @property
    def training(self) -> dict[str, Any]:
        """How trials are trained, other than by the options that each replaces."""
        shorter = {"max_epochs": self.options["max_epochs"]} if self.options["max_epochs"] else {}
        alone = {"devices": 1, "nodes": 1}
        return {
            **self.setting.variant.training,
            **shorter,
            **alone,
            "seed": self.options["seed"],
        }

    @property
    def purpose(self) -> dict[str, Any]:
        """The setting whose options are searched."""
        return {
            **self.setting.names,
            "unit": self.setting.label["unit"],
            "overlay": self.setting.variant.overlay,
        }

    @property
    def settings(self) -> dict[str, Any]:
        """How trials are chosen, run and stopped."""
        own = {name: v for name, v in self.options.items() if name not in self.setting.names}
        return {**own, "max_epochs": self.training["max_epochs"]}
