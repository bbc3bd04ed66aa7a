"""Learning curves: errors of every arm and of the choice, on test crystals, by number of labels."""

import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sitenet.evaluate.conformal import interval
from sitenet.few.arms import DESCRIPTORS, RANDOM_WEIGHTS
from sitenet.few.choice import Choice, choose
from sitenet.few.fit import Prepared
from sitenet.few.kept import Kept
from sitenet.few.nested import Task, folds_of, joined, predict_tasks, tasks_of
from sitenet.few.report import CHOSEN, WITHOUT
from sitenet.few.saving import spread_of
from sitenet.parallel import ordered_map
from sitenet.progress import Progress, log
from sitenet.splits.label_masks import label_mask
from sitenet.splits.parts import Parts
from sitenet.tables import write_table

Float = NDArray[np.float64]
Int = NDArray[np.int64]

LEVEL = 0.9
"""Of the intervals whose coverage is told."""


class Sides(NamedTuple):
    """Crystals with one training of the encoders: places of those to label and to test on."""

    ready: Prepared
    pool: Int
    test: Int


class Draw(NamedTuple):
    """A number of labels, and which draw of them."""

    labels: int
    mask: int


def write_curve(
    ready: Sequence[Prepared],
    parts: Parts,
    draws: Sequence[Draw],
    seed: int,
    finished: Path,
    out: Path,
    workers: int = 1,
) -> None:
    """Write Parquet `out`: labels, mask, arm, test_mae, ... of each arm, the stack and the choice.

    cv_mae: its error in cross-validation. ln: whether it learned the logarithm. winner: what was
    chosen. coverage: of the choice. With encoders, a row tells what would have been chosen without.
    Labels are drawn from the split's training and validation parts; in every draw the choice is
    made by cross-validation within them, trained on all of them and tested on the test part.

    Args:
        ready: labelled crystals and arms, with one training of the encoders each; draws take them
            in turn.
        parts: the split, by id.
        draws: what is computed.
        seed: of folds and models.
        finished: folder that keeps finished arms until all are, for a run that was killed.
        out: file.
        workers: processes, one draw each; their number changes no digit.

    Raises:
        ValueError: there are too few crystals to label, or none to test on.
    """
    most = max(draw.labels for draw in draws)
    sides = [_sides_of(one, parts, most) for one in ready]
    work = partial(errors_of_draw, sides, seed, Kept(finished))
    progress = Progress(len(draws), out.parent.name, "draws of labels")
    rows = []
    found = ordered_map(work, draws, min(workers, len(draws)), fork=True)
    for draw, errors in zip(draws, found, strict=True):
        rows += errors
        log.info(f"{out.parent.name}: {draw.labels:,} labels, draw {draw.mask} is finished")
        progress.advance()
    progress.finish()
    table = pd.DataFrame(rows)
    write_table(out, table)
    shutil.rmtree(finished, ignore_errors=True)
    medians = table[table.arm == CHOSEN].groupby("labels").test_mae.median()
    told = ", ".join(f"{error:.4g} ({labels:,} labels)" for labels, error in medians.items())
    log.info(f"{out.parent.name}: median test MAE of the choice {told}")


def _sides_of(ready: Prepared, parts: Parts, most: int) -> Sides:
    """Raises ValueError if fewer than `most` crystals can be labelled, or none is for testing."""
    place = np.array([parts.of.get(name, "") for name in ready.ids])
    pool, test = np.flatnonzero(np.isin(place, ["train", "val"])), np.flatnonzero(place == "test")
    if len(pool) < most or not len(test):
        raise ValueError(
            f"{parts.source}: {len(pool):,} crystals can be labelled and {len(test):,} are for "
            f"testing; {most:,} labels are asked for in few_labels.label_counts"
        )
    return Sides(ready, pool, test)


def errors_of_draw(
    sides: Sequence[Sides], seed: int, kept: Kept, draw: Draw
) -> list[dict[str, Any]]:
    """Rows of the table for one draw of labels."""
    ready, pool, test = sides[draw.mask % len(sides)]
    rows = pool[label_mask([ready.ids[k] for k in pool], draw.labels, draw.mask)]
    label = ready.label[rows]
    candidates = ready.candidates(label)
    folds = folds_of(ready.table.formulas[rows], [seed, draw.mask])
    tasks = tasks_of(rows, folds)
    work = [*tasks, Task(rows, test)]
    *found, asked = predict_tasks(candidates, ready.table, ready.label, work, seed, kept=kept)
    predictions = joined(tasks, found, rows)
    choice = choose(candidates, predictions, label, folds)
    tested = {name: choice.of(name, asked) for name in choice.errors}
    tested[CHOSEN] = choice.predict(asked)
    truth = ready.label[test]
    held = coverage(choice, predictions, label, asked, truth)
    plain = [k for k, arm in enumerate(candidates) if arm.source in (DESCRIPTORS, RANDOM_WEIGHTS)]
    if len(plain) < len(candidates):
        without = choose([candidates[k] for k in plain], predictions[plain], label, folds)
        tested[WITHOUT] = without.predict(asked[plain])
    return [
        {
            "labels": draw.labels,
            "mask": draw.mask,
            "arm": name,
            "test_mae": float(np.abs(values - truth).mean()),
            "cv_mae": choice.errors.get(name),
            "ln": candidates[choice.best[name]].ln if name in choice.best else None,
            "winner": choice.winner,
            "coverage": held if name == CHOSEN else None,
        }
        for name, values in tested.items()
    ]


def coverage(choice: Choice, predictions: Float, label: Float, asked: Float, truth: Float) -> float:
    """Share of test crystals in the choice's conformal intervals of `LEVEL`.

    Args:
        choice: what was chosen by `predictions`.
        predictions, label: (c, n) out of fold, of all candidates, and (n,).
        asked, truth: (c, m) of test crystals, and their labels (m,).
    """
    weights = np.array(list(choice.weights.values()))
    known, new = (
        spread_of(weights, values[list(choice.weights)]) if len(weights) > 1 else None
        for values in (predictions, asked)
    )
    around = interval(LEVEL, label - choice.predict(predictions), known)
    error = np.abs(truth - choice.predict(asked))
    spreads = [None] * len(error) if new is None else new.tolist()
    halves = [around.half_width(spread)[0] for spread in spreads]
    inside = [half is not None and one <= half for one, half in zip(error, halves, strict=True)]
    return float(np.mean(inside))
