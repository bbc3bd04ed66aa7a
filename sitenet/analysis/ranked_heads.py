"""Attention heads of several trainings of a task, matched by their range.

The number of a head means nothing: heads of two trainings with the same number have no more in
common than any others. Within each block, the heads of a training are therefore ranked by their
attention beyond 5 A, and heads of the same rank are pooled. Tables of heads and histograms are
those of `sitenet.analysis.attention`, where even attention has block 0 and head 0.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

CELL = ["block", "rank", "distance_low", "distance_high", "attention_low", "attention_high"]


def with_rank(heads: pd.DataFrame) -> pd.DataFrame:
    """Add `rank`, after `head`: 1 for the head of a block with the most attention beyond 5 A.

    Even attention has rank 0.
    """
    rank = heads.groupby("block").far_share.rank(method="first", ascending=False).astype(int)
    ranked = heads.copy()
    ranked.insert(list(heads.columns).index("head") + 1, "rank", rank.where(heads.block > 0, 0))
    return ranked


def pooled(histograms: Sequence[pd.DataFrame], heads: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Pairs of all trainings by block, rank, distance and attention.

    Args:
        histograms: that of each training, with columns block, head, distance_low, distance_high,
            attention_low, attention_high and pairs.
        heads: table of each training's heads, with a rank.

    Returns:
        The columns of a histogram, with rank in place of head, in the distance bins of the first
        training. Where another one has other bins, since it was tested on other crystals, the
        pairs of a bin are counted where its middle lies.
    """
    edges = histograms[0][["distance_low", "distance_high"]].drop_duplicates()
    edges = edges.sort_values("distance_low", ignore_index=True)
    parts = []
    for histogram, table in zip(histograms, heads, strict=True):
        ranks = table.set_index(["block", "head"])["rank"]
        which = pd.MultiIndex.from_frame(histogram[["block", "head"]])
        middle = (histogram.distance_low + histogram.distance_high).to_numpy() / 2
        column = np.searchsorted(edges.distance_low.to_numpy(), middle, side="right") - 1
        own = edges.iloc[column.clip(0)].reset_index(drop=True)
        part = histogram.drop(columns=["head", *edges.columns]).reset_index(drop=True)
        parts.append(part.join(own).assign(rank=ranks.reindex(which).to_numpy()))
    return pd.concat(parts).groupby(CELL)["pairs"].sum().reset_index()
