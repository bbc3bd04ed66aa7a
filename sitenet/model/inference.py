"""One way from crystals to predictions and representations: batch by batch, in the store's order.

Crystals may be in memory or streamed. Models compute on the store's device, in evaluation mode and
without gradients.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sitenet.model.layers import segment_mean
from sitenet.model.sitenet import SiteNet
from sitenet.shards.batch import RaggedBatch
from sitenet.shards.open_store import Store
from sitenet.shards.passes import pair_limit, plan_pass, planned_groups

BATCH_SITES = 1200
"""Unique sites of a batch on average, where no training has set them."""


def batches_in_order(
    store: Store, batch_sites: int = BATCH_SITES, crystals: NDArray[np.int64] | None = None
) -> Iterator[RaggedBatch]:
    """Crystals of a store as batches on its device, in its order.

    `crystals` (n,) are ascending indices into the store, None for all. Batches are limited to the
    number of merged pairs that `batch_sites` unique sites have on average.
    """
    if crystals is None:
        crystals = np.arange(len(store))
    limit = pair_limit(store, crystals, batch_sites)
    plan = plan_pass(store, crystals, limit, None)
    for group in planned_groups(store, plan, store.pairs.numpy()[crystals]):
        yield from store.batches([torch.from_numpy(crystals[chosen]) for chosen in group])


def infer(
    model: SiteNet,
    compute: Callable[[RaggedBatch], Tensor],
    store: Store,
    batch_sites: int = BATCH_SITES,
    crystals: NDArray[np.int64] | None = None,
) -> Iterator[NDArray[Any]]:
    """Results (B, ...) of `compute`, which uses `model`, for one batch after another.

    Joined, they have one row for each crystal; arguments as for `batches_in_order`.
    """
    model.to(store.device).eval()
    for batch in batches_in_order(store, batch_sites, crystals):
        with torch.inference_mode():  # left before the caller goes on
            rows = compute(batch)
        yield rows.cpu().numpy()


def predict(
    model: SiteNet,
    store: Store,
    batch_sites: int = BATCH_SITES,
    crystals: NDArray[np.int64] | None = None,
) -> NDArray[np.float32]:
    """Predictions (n,) in the unit of the label; arguments as for `batches_in_order`."""
    return np.concatenate([*infer(model, model, store, batch_sites, crystals)])


def predict_and_keep(
    model: SiteNet, store: Store, batch_sites: int, kept: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Predictions (n,) of all crystals of a store, and the vectors Z of those at `kept` (k,).

    `kept` are ascending positions. The vectors (k, crystal_width) cost nothing more.
    """

    def both(batch: RaggedBatch) -> Tensor:
        vectors = model.crystals(batch)
        return torch.cat([model.head(vectors, batch)[:, None], vectors], 1)

    predictions, vectors, first = [], [], 0
    for rows in infer(model, both, store, batch_sites):
        own = kept[(kept >= first) & (kept < first + len(rows))] - first
        predictions.append(rows[:, 0])
        vectors.append(rows[own, 1:])
        first += len(rows)
    return np.concatenate(predictions), np.concatenate(vectors)


def embed_in_batches(
    encoder: SiteNet, store: Store, local: bool = False
) -> Iterator[NDArray[np.float32]]:
    """The rows of `embed`, one batch after another."""

    def local_means(batch: RaggedBatch) -> Tensor:
        return segment_mean(encoder.sites(batch), batch.site_weight, batch.crystal, batch.sizes)

    return infer(encoder, local_means if local else encoder.crystals, store)


def embed(encoder: SiteNet, store: Store, local: bool = False) -> NDArray[np.float32]:
    """Z (n, crystal_width) of all crystals of a store.

    With `local` the mean of each crystal's local representations, (n, local_width), instead.
    """
    return np.concatenate([*embed_in_batches(encoder, store, local)])
