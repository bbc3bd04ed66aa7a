"""Nested cross-validation over whole formulas: what a choice made by the labels is worth."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from sitenet.few.arms import Arm, Crystals, of_several_seeds
from sitenet.few.choice import Choice, choose
from sitenet.few.kept import Kept
from sitenet.parallel import ordered_map
from sitenet.progress import Progress
from sitenet.splits.groups import folds_of_groups

Float = NDArray[np.float64]
Int = NDArray[np.int64]

FOLDS = 5


class Task(NamedTuple):
    """Crystals to train on and to predict.

    inner: within an outer fold. Such tasks are most of the time, so networks have one seed there,
    and weigh a little less in the judged choices than in the one that is made.
    """

    fitted: Int
    asked: Int
    inner: bool = False


class Nested(NamedTuple):
    """predictions (c, n): out of fold, of all candidates. folds (n,). choice: by all labels.

    honest (n,): predictions of the choice made without the crystal's fold; by_arm: the same of each
    arm and the stack. winners: of each fold.
    """

    predictions: Float
    folds: Int
    choice: Choice
    honest: Float
    by_arm: dict[str, Float]
    winners: list[str]


def folds_of(formulas: NDArray, seed: Sequence[int]) -> Int:
    """Fold (n,) of each crystal; those of one formula are in one."""
    number = min(FOLDS, len(set(formulas.tolist())))
    return folds_of_groups(formulas, number, np.random.default_rng(list(seed)))


def tasks_of(rows: Int, folds: Int, inner: bool = False) -> list[Task]:
    """For each fold of the crystals `rows` (m,), the others to train on and its own to predict."""
    every = range(folds.max() + 1)
    return [Task(rows[folds != fold], rows[folds == fold], inner) for fold in every]


def predict_tasks(
    candidates: Sequence[Arm],
    crystals: Crystals,
    label: Float,
    tasks: Sequence[Task],
    seed: int,
    workers: int = 1,
    title: str = "",
    kept: Kept = Kept(),  # noqa: B008
) -> list[Float]:
    """Predictions (c, asked) of each task. Their number of processes changes no digit."""
    sets = _shared(candidates)
    items = [(k, places) for k in range(len(tasks)) for places in sets]
    work = partial(_predict, candidates, crystals, label, tasks, seed, kept)
    progress = Progress(len(items), title, "sets of fits", interval=10.0 if title else 1e9)
    found = [np.empty((len(candidates), len(task.asked))) for task in tasks]
    results = ordered_map(work, items, min(workers, len(items)), fork=True)
    for (k, places), values in zip(items, results, strict=True):
        found[k][places] = values
        progress.advance()
    if title:
        progress.finish()
    return found


def _shared(candidates: Sequence[Arm]) -> list[list[int]]:
    """Places of arms that are trained one after another: all simple ones, and each network."""
    simple = [k for k, arm in enumerate(candidates) if arm.network is None]
    networks = [[k] for k, arm in enumerate(candidates) if arm.network is not None]
    return [simple, *networks] if simple else networks


def _predict(
    candidates: Sequence[Arm],
    crystals: Crystals,
    label: Float,
    tasks: Sequence[Task],
    seed: int,
    kept: Kept,
    item: tuple[int, list[int]],
) -> Float:
    number, places = item
    fitted, asked, inner = tasks[number]
    arms = [candidates[k] for k in places]
    if not inner:
        arms = [of_several_seeds(arm) for arm in arms]
    with threadpool_limits(1):
        return np.stack([
            kept.predictions(arm, crystals, fitted, label[fitted], asked, seed) for arm in arms
        ])  # fmt: skip


def joined(tasks: Sequence[Task], found: Sequence[Float], rows: Int) -> Float:
    """Predictions (c, m) in the order of the crystals `rows` (m,), of which tasks ask each once."""
    place = {int(row): k for k, row in enumerate(rows)}
    whole = np.empty((len(found[0]), len(rows)))
    for task, part in zip(tasks, found, strict=True):
        whole[:, [place[int(row)] for row in task.asked]] = part
    return whole


def nested(
    candidates: Sequence[Arm],
    crystals: Crystals,
    label: Float,
    seed: int,
    workers: int = 1,
    kept: Kept = Kept(),  # noqa: B008
) -> Nested:
    """Choose by cross-validation, and judge that procedure by another one around it.

    Args:
        candidates: (c,) arms.
        crystals, label: (n,), all labelled.
        seed: of folds and models.
        workers: processes.
        kept: where finished arms are kept, for a fit that is killed.
    """
    rows, formulas = np.arange(len(label)), crystals.formulas
    folds = folds_of(formulas, [seed])
    outer = tasks_of(rows, folds)
    inner_folds = [folds_of(formulas[task.fitted], [seed, k]) for k, task in enumerate(outer)]
    inner = [tasks_of(task.fitted, own, True) for task, own in zip(outer, inner_folds, strict=True)]
    every = [*outer, *(task for tasks in inner for task in tasks)]
    found = predict_tasks(
        candidates, crystals, label, every, seed, workers, "cross-validation", kept
    )
    predictions = joined(outer, found[: len(outer)], rows)
    choice = choose(candidates, predictions, label, folds)
    honest = np.empty(len(label))
    by_arm = {name: np.empty(len(label)) for name in choice.errors}
    winners, done = [], len(outer)
    for task, tasks, own in zip(outer, inner, inner_folds, strict=True):
        within = joined(tasks, found[done : done + len(tasks)], task.fitted)
        done += len(tasks)
        made = choose(candidates, within, label[task.fitted], own)
        asked = predictions[:, task.asked]
        honest[task.asked] = made.predict(asked)
        for name, values in by_arm.items():
            values[task.asked] = made.of(name, asked)
        winners.append(made.winner)
    return Nested(predictions, folds, choice, honest, by_arm, winners)
