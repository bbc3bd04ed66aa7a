"""Division of the crystals of a data set into training, validation and test."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sitenet.files import write_json
from sitenet.options.model import Output
from sitenet.options.split import SplitSettings
from sitenet.progress import log
from sitenet.sources.structure_table import read_structures, rows_offered
from sitenet.splits.groups import Array, drawn_groups, folds_of_groups, share_of
from sitenet.splits.held_out import formulas
from sitenet.splits.label_checks import label_warnings, size_warnings
from sitenet.splits.look_alikes import look_alikes
from sitenet.splits.parts import PARTS, Parts, write_parts
from sitenet.tables import read_by_id

MATBENCH_FOLDS, MATBENCH_SEED = 5, 18012019


class SplitError(Exception):
    """The split cannot be made as configured."""


@dataclass(frozen=True)
class Crystals:
    """All crystals of a data set, with or without a label.

    `table` has the columns id, formula, row, the task and, if the kind is column, that column.
    """

    labels: Path
    features: Path | None
    table: pd.DataFrame
    labelled: Array
    task: str
    fold: int


def make_split(
    labels: Path,
    structures: Path,
    task: str,
    settings: SplitSettings,
    out_csv: Path,
    out_report: Path,
    *,
    features: Path | None = None,
    held_out: Sequence[Path] = (),
    fold: int = 0,
    output: Output = "linear",
) -> None:
    """Write the part of every crystal that has a value of `task`, and a report on the split.

    The draw is over all crystals of the data set, with or without a label. So it does not depend on
    which labels are missing, nor on which tasks there are: a crystal, and all of its group, is in
    the same part for every task, and what was learned from one may be tested on another.

    Args:
        labels: table of labels, with a row for each crystal.
        structures: table of structures.
        task: name of the label.
        settings: of the split.
        out_csv: CSV file to write: id, split (train, val or test), in the table's order.
        out_report: JSON file to write: counts and fractions of the parts, shared formulas, and
            warnings about the labels.
        features: table with the structure type of each crystal, for the kind prototype.
        held_out: tables of structures; crystals with a formula of these are in no part.
        fold: which of `settings.folds` equal parts is for testing; the next is for validation.
        output: that of the task.

    Raises:
        SplitError: a part would be empty, parts of a grouped split share a formula, or the column
            has other values than train, val and test.
    """
    extra = [settings.column] if settings.kind == "column" else []
    table = read_structures(labels, ["id", "formula", "row", task, *extra]).to_pandas()
    labelled = table[task].notna().to_numpy()
    if not labelled.any():
        raise SplitError(f"no crystal in {labels} has a value of {task}")
    crystals = Crystals(labels, features, table, labelled, task, fold)
    parts = KINDS[settings.kind](crystals, settings)
    known = {formula for path in held_out for formula in formulas(path).values()}
    out = table.formula.isin(known).to_numpy()
    parts[out] = ""
    if settings.train_size is not None:
        _limit(parts, labelled, settings)
    table = table.assign(split=parts)[labelled & (parts != "")]
    report = {**split_report(table, task, settings), "held_out": int((out & labelled).sum())}
    if held_out:
        log.info(
            f"split of {task}: {report['held_out']:,} of {labelled.sum():,} crystals held out, "
            f"since they have a formula of {' or '.join(settings.hold_out)}"
        )
    _check(report, task, settings)
    report["warnings"] = label_warnings(
        table.id.to_numpy(), table[task].to_numpy(), output, look_alikes(structures, table.id)
    )
    write_parts(out_csv, zip(table.id, table.split, strict=True))
    write_json(out_report, report)
    _tell(report, settings, fold)


def watched(parts: Parts, formula: Mapping[str, str], settings: SplitSettings) -> Parts:
    """`parts` with the share `validation` of their crystals for validation, the rest for training.

    These are whole formulas (`formula` by id), drawn by the seed, whatever the `kind`.
    """
    ids = list(parts.of)
    rng = np.random.default_rng([settings.seed, 2])  # other crystals than those of a part test
    drawn = drawn_groups(np.array([formula[name] for name in ids]), settings.validation, rng)
    return Parts(
        parts.source, dict(zip(ids, np.where(drawn, "val", "train").tolist(), strict=True))
    )


def _tell(report: dict[str, Any], settings: SplitSettings, fold: int) -> None:
    task, counts = report["task"], report["counts"]
    told = ", ".join(f"{counts[part]:,} {part}" for part in PARTS)
    leaked = report["shared"]["train-test"]["crystals"]
    note = f"; {leaked:,} test crystals have a formula that also occurs in train" if leaked else ""
    which = f", fold {fold} of {settings.folds}" if settings.folds else ""
    log.info(f"split of {task} ({settings.kind}{which}): {told}{note}")
    warnings = size_warnings(counts["train"], counts["val"], settings.folds, settings.kind)
    if fold == 0:  # the labels are those of all folds
        warnings = [*report["warnings"], *warnings]
    for warning in warnings:
        log.warning(f"split of {task}: {warning}")


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
        "folds": settings.folds,
        "counts": counts,
        "fractions": {part: round(n / max(len(table), 1), 6) for part, n in counts.items()},
        "shared": shared,
    }


def _check(report: dict[str, Any], task: str, settings: SplitSettings) -> None:
    if empty := [part for part in PARTS if not report["counts"][part]]:
        raise SplitError(
            f"the {settings.kind} split of {task} has no crystals in {' and '.join(empty)} "
            f"(of {sum(report['counts'].values())} with a label): change the shares or the seed, "
            "or use more crystals" + (", or hold out fewer" if report["held_out"] else "")
        )
    for pair, shared in report["shared"].items():
        if shared["ids"]:
            raise SplitError(
                f"the split of {task} has the same ids in {pair.replace('-', ' and ')}"
            )
        if settings.kind == "grouped" and shared["formulas"]:
            raise SplitError(f"the split of {task} shares formulas: {shared['examples']}")


def _grouped(crystals: Crystals, settings: SplitSettings) -> Array:
    return _by_group(crystals.table.formula.to_numpy(), crystals.fold, settings)


def _prototype(crystals: Crystals, settings: SplitSettings) -> Array:
    if crystals.features is None:
        raise ValueError("structure types need a table of them")
    types = read_by_id(crystals.features, crystals.table.id.tolist(), ["structure_type"])
    return _by_group(types["structure_type"], crystals.fold, settings)


def _by_group(groups: Array, fold: int, settings: SplitSettings) -> Array:
    rng = np.random.default_rng([settings.seed, 0])
    if settings.folds is not None:
        return _of_folds(folds_of_groups(groups, settings.folds, rng), fold, settings.folds)
    parts = np.where(drawn_groups(groups, settings.test, rng), "test", "train").astype(object)
    _validate_by_group(parts, groups, settings)
    return parts


def _of_folds(folds: Array, test: int, number: int) -> Array:
    """Parts of a cross-validation: one fold for testing, the next one for validation."""
    parts = np.full(len(folds), "train", dtype=object)
    parts[folds == test % number] = "test"
    parts[folds == (test + 1) % number] = "val"
    return parts


def _random(crystals: Crystals, settings: SplitSettings) -> Array:
    count = len(crystals.table)
    rng = np.random.default_rng([settings.seed, 0])
    order = rng.permutation(count)
    if settings.folds is not None:
        folds = np.empty(count, dtype=int)
        folds[order] = np.arange(count) % settings.folds
        return _of_folds(folds, crystals.fold, settings.folds)
    parts = np.full(count, "train", dtype=object)
    parts[order[: share_of(settings.test, count)]] = "test"
    _validate_at_random(parts, settings)
    return parts


def _matbench(crystals: Crystals, settings: SplitSettings) -> Array:
    """Official folds, which are defined on all rows of the file, including rejected ones."""
    from sklearn.model_selection import KFold

    task, table = crystals.task, crystals.table
    if set(table[task][crystals.labelled]) <= {0.0, 1.0}:
        raise SplitError(f"{task} is a classification: its Matbench folds are stratified")
    folds = KFold(MATBENCH_FOLDS, shuffle=True, random_state=MATBENCH_SEED)
    rows = np.arange(rows_offered(crystals.labels))
    _, test = list(folds.split(rows))[settings.fold]
    parts = np.where(np.isin(table.row, test), "test", "train").astype(object)
    _validate_at_random(parts, settings)
    return parts


def _column(crystals: Crystals, settings: SplitSettings) -> Array:
    parts = crystals.table[settings.column].to_numpy(dtype=object)
    if unknown := set(parts[crystals.labelled]) - set(PARTS):
        example = sorted(map(str, unknown))[0]
        raise SplitError(
            f"column {settings.column} says {example!r}: the parts are {', '.join(PARTS)}"
        )
    if "val" not in parts:
        _validate_by_group(parts, crystals.table.formula.to_numpy(), settings)
    return parts


KINDS: dict[str, Callable[[Crystals, SplitSettings], Array]] = {
    "grouped": _grouped,
    "prototype": _prototype,
    "random": _random,
    "matbench": _matbench,
    "column": _column,
}


def _validate_by_group(parts: Array, groups: Array, settings: SplitSettings) -> None:
    """Move whole groups from `train` to `val`, in place."""
    train = np.flatnonzero(parts == "train")
    rng = np.random.default_rng([settings.seed, 1])
    parts[train[drawn_groups(groups[train], settings.validation, rng)]] = "val"


def _validate_at_random(parts: Array, settings: SplitSettings) -> None:
    train = np.flatnonzero(parts == "train")
    rng = np.random.default_rng([settings.seed, 1])
    parts[rng.permutation(train)[: share_of(settings.validation, len(train))]] = "val"


def _limit(parts: Array, labelled: Array, settings: SplitSettings) -> None:
    """Keep `train_size` labelled crystals in `train`, in place; the others belong to no part."""
    train = np.flatnonzero(parts == "train")
    available = int(labelled[train].sum())
    if settings.train_size is None or available < settings.train_size:
        raise SplitError(f"train_size is {settings.train_size}: only {available} can train")
    order = np.random.default_rng([settings.seed, 2]).permutation(train)
    parts[order[labelled[order]][settings.train_size :]] = ""
