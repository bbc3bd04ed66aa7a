"""Data sets, and their crystals in supercells of one size."""

import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sitenet.options.config import ConfigError
from sitenet.options.datasets import CifFolderSource, DatasetSection, Source, TableSource
from sitenet.plan import paths
from sitenet.plan.names import Options, entry

if TYPE_CHECKING:  # the libraries that read tables are loaded where one is read
    from sitenet.sources.content import Contents

CACHE = Path(".snakemake")
"""Folder for the fingerprints of the user's files, for later runs."""


@dataclass(frozen=True)
class DataSet:
    """Crystals and labels of one source; `options` is its section of the configuration."""

    name: str
    options: Options = field(repr=False, compare=False)

    @property
    def structures(self) -> str:
        return paths.STRUCTURES.format(dataset=self.name)

    @property
    def complexity(self) -> str:
        return paths.COMPLEXITY.format(dataset=self.name)

    @property
    def module(self) -> str:
        """The module that reads its source."""
        return f"sitenet.sources.{self.options['source']['kind']}"

    def labels(self, task: str) -> str:
        return paths.LABELS.format(dataset=self.name, task=task)

    @cached_property
    def source(self) -> Source:
        """Where its crystals come from."""
        return DatasetSection.from_dict(self.options).source

    @property
    def made_from(self) -> dict[str, Any]:
        """What decides the table of structures: the content of the user's files, or options.

        Raises SourceError if the files cannot be read.
        """
        source = self.source
        if isinstance(source, TableSource | CifFolderSource):
            return {"kind": source.kind, "content": self._contents.crystals(source)}
        elsewhere = ("cache", "mirrors")  # of a download that is checked
        return {name: v for name, v in source.to_dict().items() if name not in elsewhere}

    def labels_made_from(self, task: str) -> dict[str, Any]:
        """What decides the labels of a task, beside the table of structures.

        Raises UnknownName, or SourceError if the user's files cannot be read.
        """
        column, source = self.task(task)["column"], self.source
        if isinstance(source, TableSource | CifFolderSource):
            return {"column": column, "content": self._contents.labels(source, column)}
        return {"column": column}

    @property
    def source_files(self) -> list[str]:
        """Files of the user that its tables are made from.

        Raises ConfigError if they, or columns of them, are missing.
        """
        source = self.source
        if isinstance(source, TableSource | CifFolderSource):
            from sitenet.sources.early_checks import mistakes

            section = DatasetSection.from_dict(self.options)
            if found := [f"datasets.{self.name}.{one}" for one in mistakes(section)]:
                raise ConfigError("\n".join(found))
        if isinstance(source, TableSource):
            return [source.path, *([source.ids.path] if source.ids else [])]
        if isinstance(source, CifFolderSource):
            labels = source.labels or os.path.join(source.path, "id_prop.csv")
            return [source.path, *([labels] if source.labelled else [])]
        return []

    @property
    def _contents(self) -> "Contents":
        from sitenet.sources.content import Contents

        return Contents(CACHE)

    @property
    def split_options(self) -> Options:
        """What decides the split of each task."""
        split: Options = self.options["split"]
        return split

    @property
    def folds(self) -> int | None:
        """Parts of a cross-validation; None: one split for all runs."""
        folds: int | None = self.split_options["folds"]
        return folds

    def fold(self, seed: int) -> int:
        """The fold that a run with this seed is tested on; 0 without cross-validation."""
        return seed % self.folds if self.folds else 0

    def split(self, task: str, seed: int = 0) -> str:
        """The split of a run with this seed."""
        fold = f".fold{self.fold(seed)}" if self.folds else ""
        return paths.SPLIT.format(dataset=self.name, task=task, fold=fold)

    @property
    def baseline_features(self) -> str:
        return paths.BASELINE_FEATURES.format(dataset=self.name)

    @property
    def structure_types(self) -> list[str]:
        """The table of structure types, if they decide the split."""
        return [self.baseline_features] if self.split_options["kind"] == "prototype" else []

    @property
    def held_out_structures(self) -> list[str]:
        """Tables of structures whose formulas are in no part of its splits."""
        return [paths.STRUCTURES.format(dataset=name) for name in self.split_options["hold_out"]]

    def baselines(self, task: str) -> str:
        """Errors of the baselines of all runs of a task."""
        return paths.BASELINES.format(dataset=self.name, task=task)

    def task(self, name: str) -> Options:
        """Column, unit and output of a label. Raises UnknownName."""
        return entry(self.options["tasks"], name)

    @property
    def parts(self) -> int:
        """Shards that it is cut into."""
        return int(self.options["shards"])

    def descriptors(self, descriptor: str) -> list[str]:
        """Tables of a descriptor of its crystals, part by part."""
        return [
            paths.DESCRIPTORS.format(dataset=self.name, descriptor=descriptor, part=f"{part:03d}")
            for part in range(self.parts)
        ]


class LabelledTask:
    """Files of a task of a data set, for dataclasses with these two fields."""

    dataset: DataSet
    task: str

    @property
    def structures(self) -> str:
        return self.dataset.structures

    @property
    def labels(self) -> str:
        return self.dataset.labels(self.task)

    @property
    def split(self) -> str:
        return self.dataset.split(self.task)

    @property
    def unit(self) -> str:
        return str(self.dataset.task(self.task)["unit"])


@dataclass(frozen=True)
class FeaturisedSet:
    """A data set in supercells of at most `n` atoms; `options` is the section `features`."""

    dataset: DataSet
    n: int
    options: Options = field(repr=False, compare=False)

    @property
    def title(self) -> str:
        """Its heading in figures."""
        return f"{self.dataset.name}, N = {self.n}"

    @property
    def features(self) -> dict[str, Any]:
        """What decides the shards."""
        scaling = "site_feature_scaling"  # applied when a model reads them
        return {
            "n_atoms": self.n,
            **{name: value for name, value in self.options.items() if name != scaling},
        }

    @property
    def shards(self) -> list[str]:
        return self._parts(paths.SHARD)

    @property
    def computed_targets(self) -> list[str]:
        """Numbers computed from the crystals of each shard."""
        return self._parts(paths.COMPUTED_TARGETS)

    def _parts(self, path: str) -> list[str]:
        numbers = (f"{part:03d}" for part in range(self.dataset.parts))
        return [path.format(dataset=self.dataset.name, n=self.n, part=one) for one in numbers]

    @property
    def supercells(self) -> str:
        return paths.SUPERCELLS.format(dataset=self.dataset.name, n=self.n)
