"""Attention against distance, accumulated over batches (Fig 6 of doi:10.1039/d3dd00005b).

All counts and sums run over ordered pairs of a unique site i and a supercell atom j. A merged pair
of `count` atoms in a row of `site_weight` sites represents site_weight x count such pairs, and
each of them has 1 / count of the merged pair's attention. Blocks and heads are numbered from 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from sitenet.analysis.distance_ranges import FAR, REACH
from sitenet.model.description import memory_limit
from sitenet.model.inference import batches_in_order
from sitenet.model.saving import load_model
from sitenet.model.sitenet import SiteNet
from sitenet.progress import Progress
from sitenet.shards.batch import RaggedBatch
from sitenet.shards.open_store import open_store
from sitenet.tables import write_table

FINE = 0.005
"""A, width of the distance bins that are counted; they are merged into columns afterwards."""

COLUMNS = 100
"""Number of columns, which hold (nearly) equal numbers of pairs."""

LOWEST = -6
"""log10 of the lower edge of the lowest attention bin; smaller values are counted in it."""

BINS_PER_DECADE = 10

NAMES = ["self_share", "near_share", "far_share", "mean_distance", "effective_atoms"]


def atom_attention(model: SiteNet, batch: RaggedBatch) -> Tensor:
    """Attention to a single atom of each merged pair: (E, blocks, H)."""
    attention: list[Tensor] = []
    model.crystals(batch, attention)
    return torch.stack(attention, 1) / batch.pair_count[:, None, None]


class AttentionHistogram:
    """Numbers of pairs by distance (0 < d < 15 A) and attention, for each block and head."""

    def __init__(self, blocks: int, heads: int, device: str = "cpu") -> None:
        self.blocks, self.heads = blocks, heads
        self._shape = (blocks * heads, round(REACH / FINE), -LOWEST * BINS_PER_DECADE)
        size = int(np.prod(self._shape))
        self._counts = torch.zeros(size, dtype=torch.int64, device=device)

    def add(self, distance: Tensor, pairs: Tensor, attention: Tensor) -> None:
        """Count the merged pairs of a batch.

        Args:
            distance: (E,) in A.
            pairs: (E,) number of pairs that each merged pair represents.
            attention: (E, blocks, H) to a single atom.
        """
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
        """One row for each block, head, distance bin (A) and attention bin.

        Columns: block, head, distance_low, distance_high, attention_low, attention_high, pairs.
        Distance bins hold equal numbers of pairs, as far as steps of 0.005 A permit.
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
    """Indices that divide bins with these counts (n,) into at most `groups` runs of equal sum.

    The first run starts at the first non-empty bin, the last one ends after the last non-empty bin.
    Bins are not split: where single bins hold large counts, runs are unequal and fewer.

    Raises:
        ValueError: all bins are empty.
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
    """Sums over unique sites of the measures of each head, from which their means follow."""

    blocks: int
    heads: int

    def __post_init__(self) -> None:
        self.sites = 0.0
        self._sums = torch.zeros(len(NAMES), self.blocks, self.heads, dtype=torch.float64)
        self._uniform = torch.zeros(len(NAMES), 1, 1, dtype=torch.float64)

    def add(self, batch: RaggedBatch, attention: Tensor) -> None:
        """Add all sites of a batch; attention (E, blocks, H) is that to a single atom."""
        even = (1 / batch.row_atoms)[batch.pair_row][:, None, None]
        self._sums += _site_sums(batch, attention.double()).cpu()
        self._uniform += _site_sums(batch, even.double()).cpu()
        self.sites += float(batch.site_weight.sum())

    def table(self) -> pd.DataFrame:
        """Means over unique sites: a row for each block and head, and one for even attention.

        self_share, near_share (0 < d <= 5 A), far_share: fractions of the attention, which sum to
        1. mean_distance: in A, weighted by the attention to other atoms (0 for a site that attends
        only to itself). effective_atoms: exp of the entropy, the number of atoms that would share
        the attention evenly. Block and head are 0 in the last row, where the attention to every
        atom of the supercell is equal.
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
    """The measures `NAMES`, summed over the sites of the batch: (5, blocks, H)."""
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
    """Write the attention statistics of a trained model over the crystals `ids`.

    `histogram_out` (Parquet) is `AttentionHistogram.table`, `table_out` (CSV) `HeadSums.table`.
    Raises ValueError if the crystals have no pairs of atoms.
    """
    model = load_model(weights).to(device)
    store = open_store(shards, set(ids), memory_limit(weights.with_suffix(".json"))).to(device)
    blocks, heads = len(model.blocks), model.settings.heads
    histogram, sums = AttentionHistogram(blocks, heads, device), HeadSums(blocks, heads)
    progress = Progress(len(store), "attention", "crystals")
    with torch.inference_mode():
        for batch in batches_in_order(store, batch_sites):
            attention = atom_attention(model, batch)
            pairs = batch.site_weight[batch.pair_row] * batch.pair_count
            histogram.add(batch.pair_distance, pairs, attention)
            sums.add(batch, attention)
            progress.advance(batch.sizes.numel())
    progress.finish()
    write_table(histogram_out, histogram.table())
    write_table(table_out, sums.table())
