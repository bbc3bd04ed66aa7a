"""Long-range coefficients of crystals under a trained model (eq 8, doi:10.1039/d3dd00005b)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from sitenet.model.description import memory_limit
from sitenet.model.inference import infer
from sitenet.model.layers import segment_max
from sitenet.model.saving import load_model
from sitenet.model.sitenet import SiteNet
from sitenet.progress import Progress
from sitenet.shards.batch import RaggedBatch
from sitenet.shards.open_store import open_store
from sitenet.splits.draws import drawn
from sitenet.splits.parts import parts_of_run
from sitenet.tables import write_table


def long_range_per_head(model: SiteNet, batch: RaggedBatch) -> Tensor:
    """max_ij(a_ijh d_ij) in A for every crystal, block and head: (B, blocks, H).

    The attention w of a merged pair is distributed evenly over its atoms: each has w / count.
    """
    attention: list[Tensor] = []
    model.crystals(batch, attention)
    crystal = batch.crystal[batch.pair_row]
    reach = (batch.pair_distance / batch.pair_count)[:, None]
    crystals = batch.sizes.numel()
    return torch.stack([segment_max(w * reach, crystal, crystals) for w in attention], 1)


def even_long_range(batch: RaggedBatch, heads: int) -> Tensor:
    """Long-range coefficient (B,) in A for even attention of all sites to all A atoms.

    This is heads x max_ij(d_ij) / A, which depends only on the geometry.
    """
    reach = (batch.pair_distance / batch.row_atoms[batch.pair_row])[:, None]
    return heads * segment_max(reach, batch.crystal[batch.pair_row], batch.sizes.numel())[:, 0]


def tested_and_trained(predictions: Path, trained: int) -> dict[str, str]:
    """Part by id: all test crystals of a run, and at most `trained` of its training crystals.

    `predictions` is the table of the run's predictions, with columns id and split.
    """
    parts = parts_of_run(predictions)
    seen = parts.ids("train")
    chosen = [seen[k] for k in drawn(seen, trained, "long-range coefficients")]
    return dict.fromkeys(parts.ids("test"), "test") | dict.fromkeys(chosen, "train")


def write_long_range(
    weights: Path,
    shards: Sequence[Path],
    parts: Mapping[str, str],
    out: Path,
    batch_sites: int = 1200,
    device: str = "cpu",
) -> None:
    """Long-range coefficients of crystals under a trained model, as Parquet.

    `parts` maps their ids to their part of the split. Columns: id, split, long_range_coefficient
    (sum over the heads of the last block, in A), even_coefficient (the same of even attention),
    and block1_head1, ... with each head's largest a_ijh d_ij in A.
    """
    model = load_model(weights)
    heads = model.settings.heads
    store = open_store(shards, parts.keys(), memory_limit(weights.with_suffix(".json"))).to(device)
    progress = Progress(len(store), "long-range coefficients", "crystals")

    def coefficients(batch: RaggedBatch) -> Tensor:
        """Coefficients of each block and head, and that of even attention in the last column."""
        per_head = long_range_per_head(model, batch).flatten(1)
        return torch.cat([per_head, even_long_range(batch, heads)[:, None]], 1)

    found = []
    for rows in infer(model, coefficients, store, batch_sites):
        found.append(rows)
        progress.advance(len(rows))
    progress.finish()
    reach, even = np.split(np.concatenate(found), [-1], axis=1)
    reach = reach.reshape(len(reach), -1, heads)
    columns = {
        f"block{b + 1}_head{h + 1}": reach[:, b, h]
        for b in range(reach.shape[1])
        for h in range(reach.shape[2])
    }
    head = {
        "id": store.ids,
        "split": [parts[name] for name in store.ids],
        "long_range_coefficient": reach[:, -1].sum(1),
        "even_coefficient": even[:, 0],
    }
    table = pd.DataFrame({**head, **columns})
    write_table(out, table)
