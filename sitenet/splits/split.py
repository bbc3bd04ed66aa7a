"""Division of the crystals of a task into training, validation and test."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sitenet.files import write_json
from sitenet.options.split import SplitSettings
from sitenet.progress import log
from sitenet.sources.structure_table import read_structures, rows_offered
from sitenet.splits.parts import PARTS, write_parts

MATBENCH_FOLDS, MATBENCH_SEED = 5, 18012019

Array = np.ndarray[Any, np.dtype[Any]]


class SplitError(Exception):
    """The split cannot be made as configured."""


def make_split(
    structures: Path, task: str, settings: SplitSettings, out_csv: Path, out_report: Path
) -> None:
    """Write the part of every crystal that has a value of `task`, and a report on the split.

    Validation crystals are selected among those that are not for testing, in groups of equal
    formula if the kind is grouped or column.

    Args:
        structures: table of structures.
        task: name of its label column.
        settings: of the split.
        out_csv: CSV file to write: id, split (train, val or test), in the table's order.
        out_report: JSON file to write: counts and fractions of the parts, and shared formulas.

    Raises:
        SplitError: a part would be empty, parts of a grouped split share a formula, or the column
            has other values than train, val and test.
    """
    extra = [settings.column] if settings.kind == "column" else []
    table = read_structures(structures, ["id", "formula", "row", task, *extra]).to_pandas()
    table = table[table[task].notna()].reset_index(drop=True)
    if table.empty:
        raise SplitError(f"no crystal in {structures} has a value of {task}")
    parts = KINDS[settings.kind](table, task, settings, rows_offered(structures))
    if settings.train_size is not None:
        _limit(parts, settings)
    table["split"] = parts
    table = table[table.split != ""]
    report = split_report(table, task, settings)
    _check(report, task, settings)
    write_parts(out_csv, zip(table.id, table.split, strict=True))
    write_json(out_report, report)
    counts = ", ".join(f"{report['counts'][part]:,} {part}" for part in PARTS)
    leaked = report["shared"]["train-test"]["crystals"]
    note = f"; {leaked:,} test crystals have a formula that also occurs in train" if leaked else ""
    log.info(f"split of {task} ({settings.kind}): {counts}{note}")


def split_report(table: pd.DataFrame, task: str, settings: SplitSettings) -> dict[str, Any]:
    """Counts, fractions and shared formulas of the parts of a table (id, formula, split)."""
    counts = {part: int((table.split == part).sum()) for part in PARTS}
    shared = {}
    for first, second in (("train", "val"), ("train", "test"), ("val", "test")):
        a, b = table[table.split == first], table[table.split == second]
        formulas = sorted(set(a.formula) & set(b.formula))
        shared[f"{first}-{second}"] = {
            "ids": len(set(a.id) & set(b.id)),
            "formulas": len(formulas),
            "crystals": int(b.formula.isin(formulas).sum()),
            "examples": formulas[:10],
        }
    return {
        "task": task,
        "kind": settings.kind,
        "seed": settings.seed,
        "counts": counts,
        "fractions": {part: round(n / len(table), 6) for part, n in counts.items()},
        "shared": shared,
    }


def _check(report: dict[str, Any], task: str, settings: SplitSettings) -> None:
    if empty := [part for part in PARTS if not report["counts"][part]]:
        raise SplitError(
            f"the {settings.kind} split of {task} has no crystals in {' and '.join(empty)} "
            f"(of {sum(report['counts'].values())}): change the shares, or use more crystals"
        )
    for pair, shared in report["shared"].items():
        if shared["ids"]:
            raise SplitError(
                f"the split of {task} has the same ids in {pair.replace('-', ' and ')}"
            )
        if settings.kind == "grouped" and shared["formulas"]:
            raise SplitError(f"the split of {task} shares formulas: {shared['examples']}")


def _grouped(table: pd.DataFrame, task: str, settings: SplitSettings, offered: int) -> Array:
    groups = table.formula.to_numpy()
    rng = np.random.default_rng([settings.seed, 0])
    parts = np.where(_draw_groups(groups, settings.test, rng), "test", "train").astype(object)
    _validate_by_group(parts, groups, settings)
    return parts


def _random(table: pd.DataFrame, task: str, settings: SplitSettings, offered: int) -> Array:
    parts = np.full(len(table), "train", dtype=object)
    rng = np.random.default_rng([settings.seed, 0])
    parts[rng.permutation(len(table))[: _size(settings.test, len(table))]] = "test"
    _validate_at_random(parts, settings)
    return parts


def _matbench(table: pd.DataFrame, task: str, settings: SplitSettings, offered: int) -> Array:
    """Official folds, which are defined on all rows of the file, including rejected ones."""
    from sklearn.model_selection import KFold

    if set(table[task]) <= {0.0, 1.0}:
        raise SplitError(f"{task} is a classification: its Matbench folds are stratified")
    folds = KFold(MATBENCH_FOLDS, shuffle=True, random_state=MATBENCH_SEED)
    _, test = list(folds.split(np.arange(offered)))[settings.fold]
    parts = np.where(np.isin(table.row, test), "test", "train").astype(object)
    _validate_at_random(parts, settings)
    return parts


def _column(table: pd.DataFrame, task: str, settings: SplitSettings, offered: int) -> Array:
    parts = table[settings.column].to_numpy(dtype=object)
    if unknown := set(parts) - set(PARTS):
        example = sorted(map(str, unknown))[0]
        raise SplitError(
            f"column {settings.column} says {example!r}: the parts are {', '.join(PARTS)}"
        )
    if "val" not in parts:
        _validate_by_group(parts, table.formula.to_numpy(), settings)
    return parts


KINDS: dict[str, Callable[[pd.DataFrame, str, SplitSettings, int], Array]] = {
    "grouped": _grouped,
    "random": _random,
    "matbench": _matbench,
    "column": _column,
}


def _validate_by_group(parts: Array, groups: Array, settings: SplitSettings) -> None:
    """Move whole groups from `train` to `val`, in place."""
    train = np.flatnonzero(parts == "train")
    rng = np.random.default_rng([settings.seed, 1])
    parts[train[_draw_groups(groups[train], settings.validation, rng)]] = "val"


def _validate_at_random(parts: Array, settings: SplitSettings) -> None:
    train = np.flatnonzero(parts == "train")
    rng = np.random.default_rng([settings.seed, 1])
    parts[rng.permutation(train)[: _size(settings.validation, len(train))]] = "val"


def _draw_groups(groups: Array, share: float, rng: np.random.Generator) -> Array:
    """Mask of randomly selected whole groups that together fit into `share` of the members."""
    sizes = Counter(groups.tolist())
    names = sorted(sizes)
    room, chosen = _size(share, len(groups)), set()
    for k in rng.permutation(len(names)):
        if sizes[names[k]] <= room:
            room -= sizes[names[k]]
            chosen.add(names[k])
    return np.array([group in chosen for group in groups], dtype=bool)


def _size(share: float, count: int) -> int:
    """Number of crystals in `share` of `count`, at least one."""
    return max(1, round(share * count))


def _limit(parts: Array, settings: SplitSettings) -> None:
    """Keep `train_size` crystals in `train`, in place; the others belong to no part."""
    train = np.flatnonzero(parts == "train")
    if settings.train_size is None or len(train) < settings.train_size:
        raise SplitError(f"train_size is {settings.train_size}: only {len(train)} can train")
    rng = np.random.default_rng([settings.seed, 2])
    parts[rng.permutation(train)[settings.train_size :]] = ""
