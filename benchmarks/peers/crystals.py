"""The crystals that are compared on: those of a task of a configuration, with its split."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

from sitenet.options.config import overlaid
from sitenet.plan.configuration import complete
from sitenet.plan.plan import Plan
from sitenet.plan.runs import Run
from sitenet.sources.structure_table import read_structures
from sitenet.splits.parts import read_parts
from sitenet.tables import read_by_id

ROOT = Path(__file__).resolve().parents[2]


def planned(files: Sequence[str], dataset: str, task: str) -> Run:
    """The run of the configuration with this data set and task: the first if there are several."""
    given: dict[str, Any] = {}
    for file in files:
        given = overlaid(given, yaml.safe_load(Path(file).read_text()))
    runs = Plan(complete(given, ROOT, files)).runs
    names = [(run.setting.crystals.dataset.name, run.setting.task) for run in runs]
    if (dataset, task) not in names:
        known = ", ".join(sorted({f"{one} {other}" for one, other in names}))
        raise SystemExit(f"{' + '.join(files)} has no run of {dataset} {task}; there are {known}")
    return runs[names.index((dataset, task))]


@dataclass(frozen=True)
class Crystals:
    """CIF texts, labels and parts of all labelled crystals of a task."""

    table: pd.DataFrame
    """Columns id, cif, label, part."""

    @classmethod
    def of(cls, run: Run, split: Path) -> "Crystals":
        """Those of `split`; structures and labels are those of the pipeline."""
        dataset, task = run.setting.crystals.dataset, run.setting.task
        structures, labels = Path(dataset.structures), Path(dataset.labels(task))
        for path in (structures, labels, split):
            if not path.exists():
                raise SystemExit(f"{path} is missing; first: snakemake ... -- {path}")
        table = read_structures(structures, ["id", "cif"]).to_pandas()
        table["part"] = table["id"].map(read_parts(split).of)
        table = table[table.part.notna()].reset_index(drop=True)
        table["label"] = read_by_id(labels, table["id"].tolist(), [task])[task]
        return cls(table)

    def rows(self, part: str) -> NDArray[np.intp]:
        """Positions of the crystals of one part (train, val or test)."""
        return np.flatnonzero(self.table.part == part)
