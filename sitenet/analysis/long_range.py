"""The long-range coefficient of every crystal (eq 8 of 10.1039/d3dd00005b), batch by batch."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from sitenet.model.layers import segment_max
from sitenet.model.saving import load_model
from sitenet.model.sitenet import SiteNet
from sitenet.progress import Progress
from sitenet.shards.batch import RaggedBatch
from sitenet.shards.packing import pack
from sitenet.shards.store import CrystalStore
from sitenet.splits.draws import ranked
from sitenet.tables import read_table, write_table


def long_range_per_head(model: SiteNet, batch: RaggedBatch) -> Tensor:
    """max_ij(a_ijh d_ij) of every crystal, block and head: (B, blocks, H), in A.

    The attention of a merged pair is shared equally by its atoms, so one atom has w / count.
    """
    attention: list[Tensor] = []
    model.crystals(batch, attention)
    crystal = batch.crystal[batch.pair_row]
    reach = (batch.pair_distance / batch.pair_count)[:, None]
    crystals = batch.sizes.numel()
    return torch.stack([segment_max(w * reach, crystal, crystals) for w in attention], 1)


def even_long_range(batch: RaggedBatch, heads: int) -> Tensor:
    """The long-range coefficient (B,) in A if every site attended alike to all A atoms.

    heads x max_ij(d_ij) / A: what the geometry alone gives.
    """
    atoms = batch.pair_count.new_zeros(len(batch.numbers))
    atoms = atoms.index_add(0, batch.pair_row, batch.pair_count)
    reach = (batch.pair_distance / atoms[batch.pair_row])[:, None]
    return heads * segment_max(reach, batch.crystal[batch.pair_row], batch.sizes.numel())[:, 0]


def tested_and_trained(predictions: Path, trained: int) -> dict[str, str]:
    """Part (test or train) by id: all test crystals of a run, and at most `trained` of those that
    it was trained on.

    `predictions` is the run's table with columns id and split.
    """
    table = read_table(predictions, columns=["id", "split"])
    seen = table.id[table.split == "train"].tolist()
    chosen = [seen[k] for k in ranked(seen, "long-range coefficients")[:trained]]
    return dict.fromkeys(table.id[table.split == "test"], "test") | dict.fromkeys(chosen, "train")


def _batches(store: CrystalStore, chosen: Tensor, sites: int) -> Iterator[Tensor]:
    for indices in pack(store.sites[chosen].numpy(), sites, None):
        yield chosen[torch.from_numpy(indices)]


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
    model = load_model(weights).to(device)
    store = CrystalStore.from_shards(shards, keep=parts.keys()).to(device)
    progress = Progress(len(store), "long-range coefficients", "crystals")
    reaches, evens = [], []
    with torch.inference_mode():
        for crystals in _batches(store, torch.arange(len(store)), batch_sites):
            batch = store.batch(crystals)
            reaches.append(long_range_per_head(model, batch).cpu())
            evens.append(even_long_range(batch, model.settings.heads).cpu())
            progress.advance(len(crystals))
    progress.finish()
    reach = torch.cat(reaches)
    columns = {
        f"block{b + 1}_head{h + 1}": reach[:, b, h].numpy()
        for b in range(reach.shape[1])
        for h in range(reach.shape[2])
    }
    head = {
        "id": store.ids,
        "split": [parts[name] for name in store.ids],
        "long_range_coefficient": reach[:, -1].sum(1).numpy(),
        "even_coefficient": torch.cat(evens).numpy(),
    }
    table = pd.DataFrame({**head, **columns})
    write_table(out, table)
