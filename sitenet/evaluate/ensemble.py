"""Ensembles: weighted means of the predictions of runs that differ only in seed and fold."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sitenet.evaluate.metrics import split_metrics
from sitenet.files import read_json, write_json
from sitenet.progress import log
from sitenet.tables import read_table, write_table


def write_ensemble(
    predictions: Sequence[Path],
    metrics: Sequence[Path],
    out_predictions: Path,
    out_metrics: Path,
    label: str = "ensemble",
    seed: int = 0,
) -> None:
    """Combine the runs of one setting, weighted by the inverse of their validation MAE.

    Runs on several folds of a cross-validation are pooled: each crystal has the mean prediction of
    those runs that were tested on it, and its part is test.

    Args:
        predictions, metrics: files of the runs, in the same order.
        out_predictions: Parquet file to write: the columns of a run's predictions, and `spread`,
            the weighted standard deviation over the runs.
        out_metrics: JSON file to write: metrics by part of the split, weights, unit.
        label: name of the ensemble in messages.
        seed: of the bootstrap.

    Raises:
        ValueError: the runs do not predict the same crystals.
    """
    records = [read_json(path) for path in metrics]
    weights = 1 / np.array([record["splits"]["val"]["mae"] for record in records])
    weights /= weights.sum()
    runs = [read_table(path).set_index("id") for path in predictions]
    first = runs[0]
    if any(set(run.index) != set(first.index) for run in runs):
        raise ValueError(f"{label}: the runs do not predict the same crystals")
    values = np.column_stack([run.prediction.loc[first.index] for run in runs])
    tested = np.column_stack([(run.split == "test").loc[first.index] for run in runs])
    pooled = (tested != tested[:, :1]).any()  # several folds
    shares = np.where(tested, weights, 0) if pooled else np.tile(weights, (len(first), 1))
    kept = shares.sum(axis=1) > 0
    table, values, shares = first[kept], values[kept], shares[kept]
    shares /= shares.sum(axis=1, keepdims=True)
    mean = (values * shares).sum(axis=1)
    spread = np.sqrt(((values - mean[:, None]) ** 2 * shares).sum(axis=1))
    table = table.assign(prediction=mean, spread=spread)
    if pooled:
        table = table.assign(split="test")
    write_table(out_predictions, table.reset_index())
    splits = split_metrics(table, seed)
    write_json(
        out_metrics,
        {
            "splits": splits,
            "weights": weights.tolist(),
            "unit": records[0]["unit"],
            "pooled_folds": bool(pooled),
        },
    )
    single = np.mean([record["splits"]["test"]["mae"] for record in records])
    log.info(
        f"{label}: test MAE {splits['test']['mae']:.4g} {records[0]['unit']} from {len(runs)} "
        f"runs{' on several folds, pooled' if pooled else ''} (mean of the runs: {single:.4g})"
    )
