"""How much of a property can be read from a representation, given few labels.

Representation learning of doi:10.1039/d4dd00202d, Fig. 8: linear regression and a small network on
one vector a crystal, trained on `count` labels drawn by a mask, tested on the test set. Every
representation sees the same masks and is standardised alike, on its training rows.
"""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression
from sklearn.neural_network import MLPRegressor
from threadpoolctl import threadpool_limits

from sitenet.options.representation import RepresentationSettings
from sitenet.progress import Progress, log
from sitenet.shards.featurised import read_featurised
from sitenet.shards.vectors import read_vectors
from sitenet.splits.label_masks import label_mask
from sitenet.splits.parts import read_parts
from sitenet.tables import read_rows, write_table

Float = NDArray[np.float64]

MODELS = ("linear", "mlp")
ROUNDING = 1e-6
"""A column that varies by less than this share of the most varying one is constant to rounding."""

FLOOR = 0.1
"""Least deviation that a column is divided by, as a share of the largest. Most numbers of orbital
field matrices hardly vary over 50 crystals; in units of that, others would be thousands away. It
also holds back columns of a learned Z that the KL term has made small."""


@dataclass(frozen=True)
class Labelled:
    """Crystals with a label: `ids` (n,), `target` (n,)."""

    ids: list[str]
    target: Float


@dataclass(frozen=True)
class Probe:
    """Vectors and labels of the pool and of the test set."""

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
    """The pool that labels are drawn from and the test set, the same for every representation.

    Crystals that one representation cannot describe are left out for all. As in training, the pool
    has only crystals whose primitive cell fits into `n_atoms`.

    Args:
        structures: table of structures, with the label in `column`.
        split: CSV of id, split.
        shards: of the featurised crystals; others have no Z.
        rejected: lists (CSV, id) of crystals without a descriptor.
    """
    dropped = {name for path in rejected for name in pd.read_csv(path, dtype=str).id}
    parts = read_parts(split)
    featurised = read_featurised(shards, parts.without(dropped))

    def chosen(part: str, count: int | None, largest: int | None) -> Labelled:
        usable = set(featurised.ids[featurised.indices(part, largest)])
        ids = [name for name in parts.drawn(part, count, settings.seed) if name in usable]
        return Labelled(ids, read_rows(structures, ids, [column])[column])

    return chosen("train", settings.pool, n_atoms), chosen("test", settings.test, None)


def standardised(train: Float, test: Float) -> tuple[Float, Float]:
    """Columns of `train` (n, d) and `test` (m, d) in standard deviations of `train` from its mean.

    The deviation counts as FLOOR times the largest where it is smaller. Columns that are constant
    on `train`, to rounding, say nothing there and are left out; ValueError if all are.
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
    """Test error of each model, count of labels and mask: columns model, labels, mask, test_mae.

    Fits run in `workers` processes, each on one thread so that their number changes no digit;
    `name` is told with the progress.

    Raises:
        ValueError: the pool has fewer crystals than a count of labels.
    """
    if max(settings.label_counts) > len(probe.pool.ids):
        raise ValueError(
            f"{max(settings.label_counts)} labels are asked for, but only {len(probe.pool.ids)} "
            "crystals can be labelled; enlarge infomax.representation.pool or ask for fewer"
        )
    draws = [(count, mask) for count in settings.label_counts for mask in range(settings.masks)]
    progress = Progress(len(draws), name, "masks")
    rows: list[dict[str, Any]] = []
    parallel = Parallel(n_jobs=workers, return_as="generator")
    for found in parallel(delayed(_fit_mask)(probe, settings, *one) for one in draws):
        rows += found
        progress.advance()
    progress.finish()
    table = pd.DataFrame(rows)
    stopped = int((~table.pop("converged")).sum())
    if stopped:
        log.info(f"{stopped:,} of {len(rows):,} fits were stopped at their last iteration")
    return table


def _fit_mask(
    probe: Probe, settings: RepresentationSettings, count: int, mask: int
) -> list[dict[str, Any]]:
    """Errors of all models trained on one draw of labels."""
    chosen = label_mask(probe.pool.ids, count, mask)
    train, test = standardised(probe.pool_vectors[chosen], probe.test_vectors)
    label = probe.pool.target[chosen]
    mean, scale = label.mean(), label.std() or 1.0
    rows = []
    for name, model in _models(settings, mask):
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
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
    yield (
        "mlp",
        MLPRegressor(
            hidden_layer_sizes=(settings.mlp_width,),
            max_iter=settings.mlp_max_iter,
            random_state=seed,
        ),
    )


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
