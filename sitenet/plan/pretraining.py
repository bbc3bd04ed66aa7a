"""Encoders that are trained without labels."""

from dataclasses import dataclass, field
from typing import Any

from sitenet.plan import paths
from sitenet.plan.datasets import DataSet, FeaturisedSet
from sitenet.plan.names import Options
from sitenet.plan.runs import Variant


@dataclass(frozen=True)
class Pretraining:
    """An encoder trained without labels.

    `options` is its entry in the configuration, `infomax` the section that it is part of, `variant`
    the one whose network it trains in place of that of `infomax`.
    """

    name: str
    crystals: FeaturisedSet
    held_out: tuple[DataSet, ...]
    options: Options = field(repr=False, compare=False)
    infomax: Options = field(repr=False, compare=False)
    variant: Variant | None = None

    def file(self, name: str) -> str:
        return f"{paths.PRETRAINING}/{name}".format(
            dataset=self.crystals.dataset.name, n=self.crystals.n, pretraining=self.name
        )

    @property
    def weights(self) -> str:
        return self.file("model.safetensors")

    @property
    def description(self) -> str:
        return self.file("model.json")

    @property
    def split(self) -> list[str]:
        """The split whose training and validation parts are used; none: all crystals."""
        task = self.options["split"]
        return [] if task is None else [self.crystals.dataset.split(task)]

    @property
    def labels(self) -> list[str]:
        """The table of labels that the split is made from."""
        task = self.options["split"]
        return [] if task is None else [self.crystals.dataset.labels(task)]

    @property
    def held_out_structures(self) -> list[str]:
        """Tables of structures whose ids are left out."""
        return [dataset.structures for dataset in self.held_out]

    @property
    def computed_targets(self) -> list[str]:
        """Numbers computed from its crystals, if they are what it learns."""
        return self.crystals.computed_targets if self.options["pretext"] is not None else []

    @property
    def settings(self) -> dict[str, Any]:
        """What decides it, other than its crystals."""
        own, infomax = self.variant, self.infomax
        model = own.model if own else infomax["model"]
        properties = own.site_feature_scaling if own else infomax["site_feature_scaling"]
        scaling = {"site_feature_scaling": properties}
        return {
            "model": {**model, **scaling},
            **self._loss(scaling),
            **({} if self.split else {"drawn": self.crystals.dataset.split_options}),
            "training": {**self.infomax["training"], "seed": self.options["seed"]},
        }

    def _loss(self, scaling: dict[str, Any]) -> dict[str, Any]:
        if self.options["pretext"] is not None:
            return {"pretext": self.options["pretext"]}
        loss = {**self.infomax["loss"], **scaling}
        if self.options["false_samples"] is not None:
            loss["false_samples"] = self.options["false_samples"]
        return {"loss": loss}

    @property
    def nodes(self) -> int:
        return int(self.infomax["training"]["nodes"])

    @property
    def gpus(self) -> int:
        """GPUs on all its machines."""
        return self.nodes * int(self.infomax["training"]["devices"])
