"""Errors of simple models on fixed representations, trained on few labels.

As in doi:10.1039/d4dd00202d, Fig. 8: linear regression and a small neural network on one vector per
crystal, trained on the labels that a mask selects and evaluated on the test set. All
representations use the same masks, and each is standardised on its training rows. Beside these two
stands ridge regression: with about as many labels as columns, a fit without penalty fails by its
variance, whatever the representation says.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LinearRegression, RidgeCV
from threadpoolctl import threadpool_limits

from sitenet.evaluate.small_network import SmallNetwork
from sitenet.options.representation import RepresentationSettings
from sitenet.parallel import ordered_map
from sitenet.progress import Progress, log
from sitenet.shards.featurised import read_featurised
from sitenet.shards.vectors import read_vectors
from sitenet.splits.label_masks import label_mask
from sitenet.splits.parts import read_parts
from sitenet.tables import read_by_id, write_table

Float = NDArray[np.float64]

MODELS = ("linear", "ridge", "mlp")

PENALTIES = np.logspace(-4, 6, 21)
"""Penalties of ridge regression, from none in effect to a constant prediction. The one with the
smallest squared error of leave-one-out cross-validation within the labels is used."""

ROUNDING = 1e-6
"""Columns whose deviation is below this fraction of the largest one are constant to rounding."""

FLOOR = 0.1
"""Smallest divisor of a column, as a fraction of the largest deviation. Most elements of orbital
field matrices hardly vary over 50 crystals; divided by their deviation, other crystals would have
values in the thousands. It also limits columns of a learned Z that the KL term has made small."""


@dataclass(frozen=True)
class Labelled:
    """Labelled crystals: `ids` (n,) and `target` (n,)."""

    ids: list[str]
    target: Float


@dataclass(frozen=True)
class Probe:
    """Vectors and labels of the pool, from which labels are selected, and of the test set."""

    pool: Labelled
    test: Labelled
    pool_vectors: Float
    test_vectors: Float


def labelled(
    structures: Path,
    split: Path,
    column: str,
    shards: Sequence[Path],
    n_atoms: int,
    rejected: Sequence[Path],
    settings: RepresentationSettings,
) -> tuple[Labelled, Labelled]:
    """The pool from which labels are selected, and the test set, equal for all representations.

    Crystals without one of the representations are left out for all of them. As in training, the
    pool contains only crystals whose primitive cell has at most `n_atoms` sites.

    Args:
        structures: table of structures, with the label in `column`.
        split: CSV of id, split.
        shards: featurised crystals; other crystals have no Z.
        rejected: lists (CSV, id) of crystals without a descriptor.
    """
    lists = [pd.read_csv(path, dtype=str, keep_default_na=False) for path in rejected]
    dropped = {name for rows in lists for name in rows.id}
    parts = read_parts(split)
    featurised = read_featurised(shards, parts.without(dropped))

    def chosen(part: str, count: int | None, largest: int | None) -> Labelled:
        usable = set(featurised.ids[featurised.indices(part, largest)])
        ids = [name for name in parts.drawn(part, count, settings.seed) if name in usable]
        return Labelled(ids, read_by_id(structures, ids, [column])[column])

    return chosen("train", settings.pool, n_atoms), chosen("test", settings.test, None)


def standardised(train: Float, test: Float) -> tuple[Float, Float]:
    """Columns of `train` (n, d) and `test` (m, d), standardised with mean and deviation of `train`.

    Deviations below FLOOR times the largest one are replaced by that value. Columns that are
    constant on `train` up to rounding are left out; ValueError if all are.
    """
    deviation = train.std(axis=0)
    if not deviation.max():
        raise ValueError("the vectors of all labelled crystals are the same")
    kept = deviation > ROUNDING * deviation.max()
    mean = train.mean(axis=0)[kept]
    scale = np.maximum(deviation, FLOOR * deviation.max())[kept]
    return (train[:, kept] - mean) / scale, (test[:, kept] - mean) / scale


def evaluate(
    probe: Probe, settings: RepresentationSettings, workers: int = 1, name: str = "representation"
) -> pd.DataFrame:
    """Test error for each model, number of labels and mask: model, labels, mask, test_mae.

    Fits run in `workers` processes with one thread each, so that results do not depend on their
    number. `name` appears in progress messages.

    Raises:
        ValueError: the pool has fewer crystals than labels are requested.
    """
    if max(settings.label_counts) > len(probe.pool.ids):
        raise ValueError(
            f"{max(settings.label_counts)} labels are requested, but only {len(probe.pool.ids)} "
            "crystals can be labelled; enlarge infomax.representation.pool or ask for fewer"
        )
    draws = [(count, mask) for count in settings.label_counts for mask in range(settings.masks)]
    progress = Progress(len(draws), name, "masks")
    rows: list[dict[str, Any]] = []
    with threadpool_limits(1):
        for found in ordered_map(partial(_fit_mask, probe, settings), draws, workers, fork=True):
            rows += found
            progress.advance()
    progress.finish()
    table = pd.DataFrame(rows)
    stopped = int((~table.pop("converged")).sum())
    if stopped:
        log.info(f"{stopped:,} of {len(rows):,} fits were stopped at their last iteration")
    return table


def _fit_mask(
    probe: Probe, settings: RepresentationSettings, draw: tuple[int, int]
) -> list[dict[str, Any]]:
    """Errors of all models trained with one mask: `draw` is its number of labels and its own."""
    count, mask = draw
    chosen = label_mask(probe.pool.ids, count, mask)
    train, test = standardised(probe.pool_vectors[chosen], probe.test_vectors)
    label = probe.pool.target[chosen]
    mean, scale = label.mean(), label.std() or 1.0
    rows = []
    for name, model in _models(settings, mask):
        model.fit(train, (label - mean) / scale)
        prediction = model.predict(test) * scale + mean
        iterations = getattr(model, "n_iter_", 0)
        rows.append({
            "model": name,
            "labels": count,
            "mask": mask,
            "test_mae": float(np.abs(prediction - probe.test.target).mean()),
            "converged": iterations < settings.mlp_max_iter,
        })  # fmt: skip
    return rows


def _models(settings: RepresentationSettings, seed: int) -> Iterator[tuple[str, Any]]:
    yield "linear", LinearRegression()
    yield "ridge", RidgeCV(PENALTIES)
    yield "mlp", SmallNetwork(settings.mlp_width, settings.mlp_max_iter, seed)


def write_representation_errors(
    crystals: tuple[Labelled, Labelled],
    vectors: Sequence[Path],
    names: tuple[str, str],
    settings: RepresentationSettings,
    out: Path,
    workers: int = 1,
) -> None:
    """Evaluate one representation and write Parquet `out`: experiment, representation, and so on.

    Args:
        crystals: pool and test set, from `labelled`.
        vectors: tables of id, z.
        names: of experiment and representation.
    """
    pool, test = crystals
    both = read_vectors(vectors, pool.ids + test.ids).astype(np.float64)
    log.info(f"{' '.join(names)}: {len(pool.ids):,} crystals to label, {len(test.ids):,} to test")
    probe = Probe(pool, test, both[: len(pool.ids)], both[len(pool.ids) :])
    table = evaluate(probe, settings, workers, " ".join(names))
    table.insert(0, "representation", names[1])
    table.insert(0, "experiment", names[0])
    write_table(out, table)
    for model, rows in table.groupby("model", sort=False):
        medians = rows.groupby("labels", sort=False).test_mae.median()
        told = ", ".join(f"{error:.4g} ({labels:,} labels)" for labels, error in medians.items())
        log.info(f"{' '.join(names)}, {model}: median test MAE {told}")
