"""What a user should know of the labels and of a split before believing an error."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sitenet.options.model import Output

FEW_TRAINING, FEW_VALIDATION = 200, 50
"""Numbers of crystals below which errors say little."""

FAR = 5
"""Interquartile ranges beyond the quartiles from which on a label is outlying."""

SHOWN = 5
"""Ids in a message, at most."""

DIFFERENT = 0.1
"""Difference of two labels, in interquartile ranges, that a look-alike is told from."""


def size_warnings(training: int, validation: int, folds: int | None, kind: str) -> list[str]:
    """Warnings about few crystals; `folds` and `kind` are options of the split."""
    found = []
    if training < FEW_TRAINING:
        found.append(
            f"only {training:,} training crystals (fewer than {FEW_TRAINING}): a network learns "
            "little from so few; compare it with the baselines"
        )
    if validation < FEW_VALIDATION:
        remedy = "set split.folds to 5 and give five seeds, for a cross-validation"
        if folds:
            remedy = "take the mean over all folds"
        elif kind in ("matbench", "column"):
            remedy = f"set split.kind to grouped, {remedy.removeprefix('set ')}"
        found.append(
            f"only {validation:,} validation crystals (fewer than {FEW_VALIDATION}): the choice of "
            f"the best epoch is mostly chance; {remedy}"
        )
    return found


def label_warnings(
    ids: NDArray[np.object_],
    labels: NDArray[np.float64],
    output: Output,
    look_alikes: Sequence[Sequence[str]] = (),
) -> list[str]:
    """Warnings about the `labels` (n,) of a task, with the `ids` (n,) that they are about.

    `look_alikes`: groups of ids of crystals that look the same.
    """
    spread = _interquartile_range(labels)
    return [
        *_constant(labels),
        *_outlying(ids, labels, spread),
        *(_negative(ids, labels) if output == "nonnegative" else []),
        *_contradicting(dict(zip(ids.tolist(), labels.tolist(), strict=True)), look_alikes, spread),
    ]


def _interquartile_range(labels: NDArray[np.float64]) -> float:
    """That of the labels or, where half of them are one value, of those that differ from it."""
    low, middle, high = np.percentile(labels, [25, 50, 75])
    if high > low:
        return float(high - low)
    others = labels[labels != middle]
    return float(np.median(np.abs(others - middle))) if len(others) else 0.0


def _constant(labels: NDArray[np.float64]) -> list[str]:
    if len(labels) > 1 and np.ptp(labels) == 0:
        return [f"all {len(labels):,} labels are {labels[0]:.4g}: there is nothing to learn"]
    return []


def _outlying(ids: NDArray[np.object_], labels: NDArray[np.float64], spread: float) -> list[str]:
    low, high = np.percentile(labels, [25, 75])
    beyond = np.maximum(low - labels, labels - high)
    worst = [k for k in np.argsort(-beyond, kind="stable") if beyond[k] > FAR * spread]
    if not worst or spread == 0:
        return []
    return [
        f"{_of(len(worst), len(labels))} are far from the others (quartiles {low:.4g} and "
        f"{high:.4g}): {_examples(ids, labels, worst)}; check them and their unit, since they "
        "dominate mean errors, R² and the scale of the labels"
    ]


def _negative(ids: NDArray[np.object_], labels: NDArray[np.float64]) -> list[str]:
    below = [k for k in np.argsort(labels, kind="stable") if labels[k] < 0]
    if not below:
        return []
    return [
        f"{_of(len(below), len(labels))} are negative: {_examples(ids, labels, below)}; `output: "
        "nonnegative` never predicts these, so take `linear` or correct them"
    ]


def _contradicting(
    labels: dict[str, float], look_alikes: Sequence[Sequence[str]], spread: float
) -> list[str]:
    apart = []
    for group in look_alikes:
        known = sorted((labels[name], name) for name in group if name in labels)
        if len(known) > 1 and known[-1][0] - known[0][0] > DIFFERENT * spread:
            apart.append((known[-1][0] - known[0][0], known[0], known[-1], len(known)))
    if not apart:
        return []
    apart.sort(reverse=True)
    examples = "; ".join(
        f"{low[1]} ({low[0]:.4g}) and {high[1]} ({high[0]:.4g})"
        for _, low, high, _ in apart[:SHOWN]
    )
    count = sum(number for *_, number in apart)
    return [
        f"{count:,} crystals look the same as another one (formula, volume, distances), but their "
        f"labels differ: {examples}{'; ...' if len(apart) > SHOWN else ''}"
    ]


def _of(some: int, every: int) -> str:
    return f"{some:,} of {every:,} labels"


def _examples(ids: NDArray[np.object_], labels: NDArray[np.float64], chosen: Sequence[int]) -> str:
    told = ", ".join(f"{ids[k]} ({labels[k]:.4g})" for k in chosen[:SHOWN])
    return told + (", ..." if len(chosen) > SHOWN else "")
