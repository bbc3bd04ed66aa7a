"""How far a trained model looks, by three readings of it as functions of a distance r.

The attention of the last block within r, which the long-range coefficient is made from. The
gradient |dy/dd| within r: the exact derivatives of the prediction y with respect to the distances d
of single pairs of a site and an atom, which stay the same if attention is spread in another way
that gives the same y. And the prediction with the attention beyond r masked in all blocks, as by
`model.cutoff`, without training anew.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from sitenet.model.description import memory_limit
from sitenet.model.inference import batches_in_order
from sitenet.model.saving import load_model
from sitenet.model.sitenet import SiteNet
from sitenet.progress import Progress
from sitenet.shards.batch import RaggedBatch
from sitenet.shards.open_store import open_store
from sitenet.tables import read_table, write_table

WITHIN = tuple(float(r) for r in np.arange(2.0, 10.25, 0.5))
"""Distances r in A at which the readings are taken."""


def attention_within(
    model: SiteNet, batch: RaggedBatch, distances: Sequence[float]
) -> tuple[Tensor, Tensor]:
    """Share of the attention to atoms within each distance (A), and that of even attention: (B, G).

    Means over the unique sites of a crystal and the heads of the last block.
    """
    attention: list[Tensor] = []
    model.crystals(batch, attention)
    even = batch.pair_count / batch.row_atoms[batch.pair_row]
    weight = batch.site_weight[batch.pair_row]
    found, uniform = (
        _sums_within(batch, weight * share, distances) / batch.sizes[:, None]
        for share in (attention[-1].mean(1), even)
    )
    return found, uniform


def gradient_within(
    model: SiteNet, batch: RaggedBatch, distances: Sequence[float]
) -> tuple[Tensor, Tensor]:
    """Sum of |dy/dd| over pairs within each distance, as a fraction (B, G) of all, and all (B,).

    All is in the label's unit per A. A merged pair stands for equal pairs with equal derivatives:
    the absolute value of its derivative is the sum of theirs. The fraction is 0 where y depends on
    no distance.
    """
    distance = batch.pair_distance.detach().clone().requires_grad_()
    each = torch.arange(len(distance), device=distance.device)
    alone = replace(batch, pair_distance=distance, pair_type=each, type_first=each)
    (slope,) = torch.autograd.grad(model(alone).sum(), distance)
    slope = torch.where(batch.pair_distance > 0, slope.abs(), 0.0)  # a site is 0 A from itself
    total = _sums_within(batch, slope, [torch.inf])[:, 0]
    some = torch.where(total > 0, total, 1.0)
    return _sums_within(batch, slope, distances) / some[:, None], total


def masked_predictions(model: SiteNet, batch: RaggedBatch, distances: Sequence[float]) -> Tensor:
    """Predictions (B, G) with the attention beyond each distance (A) masked in all blocks."""
    settings = model.settings
    trained = torch.inf if settings.cutoff is None else settings.cutoff
    try:
        found = []
        for distance in distances:
            model.settings = replace(settings, cutoff=min(distance, trained))
            found.append(model(batch))
    finally:
        model.settings = settings
    return torch.stack(found, 1)


def _sums_within(batch: RaggedBatch, values: Tensor, distances: Sequence[float]) -> Tensor:
    """Sums (B, G) over the merged pairs of each crystal up to each distance of values (E,)."""
    crystal = batch.crystal[batch.pair_row]
    kept = torch.stack([batch.pair_distance <= r for r in distances], 1)
    sums = values.new_zeros(batch.sizes.numel(), len(distances))
    return sums.index_add(0, crystal, kept * values[:, None])


def write_reach(
    weights: Path,
    shards: Sequence[Path],
    predictions: Path,
    out: Path,
    batch_sites: int = 1200,
    device: str = "cpu",
) -> None:
    """The readings of a trained model on its test crystals, as Parquet.

    `predictions` is the table of the run: id, split, target and prediction. A row for each crystal
    and distance: id, target and prediction (of the whole model), within (A), attention,
    even_attention, gradient (fractions within that distance), total_gradient (label's unit / A) and
    masked_prediction.
    """
    tested = read_table(
        predictions, columns=["id", "target", "prediction"], filters=[("split", "==", "test")]
    ).set_index("id")
    model = load_model(weights).to(device).eval().requires_grad_(False)
    store = open_store(shards, set(tested.index), memory_limit(weights.with_suffix(".json")))
    store = store.to(device)
    progress = Progress(len(store), "range of the model", "crystals")
    found = []
    for batch in batches_in_order(store, batch_sites):
        gradient, total = gradient_within(model, batch, WITHIN)
        with torch.inference_mode():
            attention, even = attention_within(model, batch, WITHIN)
            masked = masked_predictions(model, batch, WITHIN)
        totals = total[:, None].expand_as(gradient)
        found.append(torch.stack([attention, even, gradient, totals, masked], 2).cpu().numpy())
        progress.advance(batch.sizes.numel())
    progress.finish()
    rows = np.concatenate(found).reshape(-1, 5)
    names = ["attention", "even_attention", "gradient", "total_gradient", "masked_prediction"]
    ids = np.repeat(np.asarray(store.ids, dtype=object), len(WITHIN))
    own = tested.loc[ids].reset_index()
    own["within"] = np.tile(WITHIN, len(store))
    write_table(out, pd.concat([own, pd.DataFrame(rows, columns=names)], axis=1))
