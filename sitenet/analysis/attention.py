"""Attention against distance over many crystals, batch by batch (Fig 6 of 10.1039/d3dd00005b).

Always over ordered pairs of a unique site i and a supercell atom j, and the attention of ONE atom:
a merged pair of `count` atoms in a row of `site_weight` sites stands for site_weight x count such
pairs, each with 1 / count of its attention. Blocks and heads are numbered from 1.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from sitenet.model.saving import load_model
from sitenet.model.sitenet import SiteNet
from sitenet.progress import Progress
from sitenet.shards.batch import RaggedBatch
from sitenet.shards.packing import pack
from sitenet.shards.store import CrystalStore
from sitenet.tables import write_table

FAR = 5.0
"""A, beyond which attention counts as long-ranged: the cutoff of the paper's comparison."""

REACH = 15.0
"""A, where the histograms end."""

FINE = 0.005
"""A, width of the distance bins that are counted; they are joined to columns afterwards."""

COLUMNS = 100
"""Columns of (nearly) equal numbers of pairs."""

LOWEST = -6
"""Power of ten of the smallest attention told apart; less is counted in the lowest bin."""

BINS_PER_DECADE = 10

NAMES = ["self_share", "near_share", "far_share", "mean_distance", "effective_atoms"]


def atom_attention(model: SiteNet, batch: RaggedBatch) -> Tensor:
    """Attention of one atom of each merged pair, in each block and head: (E, blocks, H)."""
    attention: list[Tensor] = []
    model.crystals(batch, attention)
    return torch.stack(attention, 1) / batch.pair_count[:, None, None]


class AttentionHistogram:
    """Counts of pairs by distance (0 < d < 15 A) and attention, for each block and head."""

    def __init__(self, blocks: int, heads: int, device: str = "cpu") -> None:
        self.blocks, self.heads = blocks, heads
        self._shape = (blocks * heads, round(REACH / FINE), -LOWEST * BINS_PER_DECADE)
        size = int(np.prod(self._shape))
        self._counts = torch.zeros(size, dtype=torch.int64, device=device)

    def add(self, distance: Tensor, pairs: Tensor, attention: Tensor) -> None:
        """Count merged pairs: distance (E,) in A, pairs (E,) that each stands for, attention of
        one atom (E, blocks, H)."""
        panels, columns, rows = self._shape
        column = (distance / FINE).long()
        kept = (distance > 0) & (column < columns)
        level = (torch.log10(attention[kept].flatten(1)) - LOWEST) * BINS_PER_DECADE
        row = level.floor().clamp(0, rows - 1).long()
        panel = torch.arange(panels, device=row.device)
        index = (panel * columns + column[kept, None]) * rows + row
        count = pairs[kept].long()[:, None].expand_as(index)
        self._counts.index_add_(0, index.flatten(), count.flatten())

    def table(self) -> pd.DataFrame:
        """One row for each block, head, column of distances (A) and bin of attention.

        Columns: block, head, distance_low, distance_high, attention_low, attention_high, pairs.
        The columns hold equal numbers of pairs, as far as bins of 0.005 A allow it.
        """
        fine = self._counts.cpu().numpy().reshape(self._shape)
        cuts = equal_count_cuts(fine[0].sum(axis=1), COLUMNS)
        counts = np.add.reduceat(fine, cuts[:-1], axis=1)
        levels = 10.0 ** (LOWEST + np.arange(counts.shape[2] + 1) / BINS_PER_DECADE)
        panel, column, row = np.indices(counts.shape).reshape(3, -1)
        edges = cuts * FINE
        return pd.DataFrame(
            {
                "block": panel // self.heads + 1,
                "head": panel % self.heads + 1,
                "distance_low": edges[column],
                "distance_high": edges[column + 1],
                "attention_low": levels[row],
                "attention_high": levels[row + 1],
                "pairs": counts.ravel(),
            }
        )


def equal_count_cuts(counts: NDArray[np.int64], groups: int) -> NDArray[np.int64]:
    """Indices that cut bins with these counts (n,) into at most `groups` runs of equal sum.

    The first run starts at the first bin that is not empty, the last ends after the last one. A
    bin is never split, so runs are unequal, and fewer, where single bins hold much.
    """
    filled = np.flatnonzero(counts)
    if not len(filled):
        raise ValueError("there are no pairs of atoms to count")
    total = np.cumsum(counts)
    wanted = np.arange(1, groups) / groups * total[-1]
    inner = np.searchsorted(total, wanted) + 1
    return np.unique([filled[0], *inner, filled[-1] + 1])


@dataclass
class HeadSums:
    """Sums over unique sites of what each head attends to, for their means."""

    blocks: int
    heads: int

    def __post_init__(self) -> None:
        self.sites = 0.0
        self._sums = torch.zeros(len(NAMES), self.blocks, self.heads, dtype=torch.float64)
        self._uniform = torch.zeros(len(NAMES), 1, 1, dtype=torch.float64)

    def add(self, batch: RaggedBatch, attention: Tensor) -> None:
        """Add all sites of a batch; attention of one atom (E, blocks, H)."""
        atoms = batch.pair_count.new_zeros(len(batch.numbers))
        atoms = atoms.index_add(0, batch.pair_row, batch.pair_count)
        even = (1 / atoms)[batch.pair_row][:, None, None]
        self._sums += _site_sums(batch, attention.double()).cpu()
        self._uniform += _site_sums(batch, even.double()).cpu()
        self.sites += float(batch.site_weight.sum())

    def table(self) -> pd.DataFrame:
        """Means over unique sites, one row for each block and head, and one of even attention.

        self_share, near_share (0 < d <= 5 A), far_share: of the attention, they add up to 1;
        mean_distance: in A, of the attention to other atoms (0 for a site that sees only itself);
        effective_atoms: exp of the entropy, how many atoms share it as if evenly.
        Block and head are 0 in the row of even attention: every atom of the supercell alike.
        """
        rows = [
            {"block": b + 1, "head": h + 1}
            | dict(zip(NAMES, (self._sums[:, b, h] / self.sites).tolist(), strict=True))
            for b in range(self.blocks)
            for h in range(self.heads)
        ]
        even = dict(zip(NAMES, (self._uniform[:, 0, 0] / self.sites).tolist(), strict=True))
        return pd.DataFrame([*rows, {"block": 0, "head": 0} | even]).assign(sites=round(self.sites))


def _site_sums(batch: RaggedBatch, attention: Tensor) -> Tensor:
    """The measures `NAMES` of every site, summed over the batch: (5, blocks, H)."""
    distance, row = batch.pair_distance.double(), batch.pair_row
    mass = attention * batch.pair_count[:, None, None]
    itself, far = distance == 0, distance > FAR

    def over_row(values: Tensor) -> Tensor:
        out = values.new_zeros(len(batch.numbers), *values.shape[1:])
        return out.index_add(0, row, values)

    shares = [over_row(mass * kind[:, None, None]) for kind in (itself, ~itself & ~far, far)]
    others = (shares[1] + shares[2]).clamp(min=torch.finfo(torch.float64).tiny)
    mean = over_row(mass * distance[:, None, None]) / others
    entropy = -over_row(torch.special.xlogy(mass, attention))
    per_row = torch.stack([*shares, mean, entropy.exp()])
    return torch.einsum("krbh,r->kbh", per_row, batch.site_weight.double())


def write_attention(
    weights: Path,
    shards: Sequence[Path],
    ids: Sequence[str],
    histogram_out: Path,
    table_out: Path,
    batch_sites: int = 1200,
    device: str = "cpu",
) -> None:
    """Attention of a trained model over the crystals `ids`, in one pass over them.

    `histogram_out` (Parquet) is `AttentionHistogram.table`, `table_out` (CSV) `HeadSums.table`.
    Raises ValueError if no pairs of atoms are found.
    """
    model = load_model(weights).to(device)
    store = CrystalStore.from_shards(shards, keep=set(ids)).to(device)
    blocks, heads = len(model.blocks), model.settings.heads
    histogram, sums = AttentionHistogram(blocks, heads, device), HeadSums(blocks, heads)
    progress = Progress(len(store), "attention", "crystals")
    with torch.inference_mode():
        for crystals in _batches(store, batch_sites):
            batch = store.batch(crystals)
            attention = atom_attention(model, batch)
            pairs = batch.site_weight[batch.pair_row] * batch.pair_count
            histogram.add(batch.pair_distance, pairs, attention)
            sums.add(batch, attention)
            progress.advance(len(crystals))
    progress.finish()
    write_table(histogram_out, histogram.table())
    write_table(table_out, sums.table())


def _batches(store: CrystalStore, sites: int) -> Iterator[Tensor]:
    for indices in pack(store.sites.numpy(), sites, None):
        yield torch.from_numpy(indices)
