"""Heads of several trainings matched by their range."""

import numpy as np
import pandas as pd
import pytest

from sitenet.analysis.ranked_heads import pooled, with_rank

HEADS = pd.DataFrame(
    {
        "block": [1, 1, 2, 2, 0],
        "head": [1, 2, 1, 2, 0],
        "far_share": [0.2, 0.7, 0.5, 0.1, 0.6],
    }
)


def histogram(edges: list[float], pairs: np.ndarray) -> pd.DataFrame:
    """pairs (blocks, heads, columns, rows)."""
    block, head, column, row = np.indices(pairs.shape).reshape(4, -1)
    low, high = np.array(edges[:-1]), np.array(edges[1:])
    return pd.DataFrame(
        {
            "block": block + 1,
            "head": head + 1,
            "distance_low": low[column],
            "distance_high": high[column],
            "attention_low": 10.0**-row / 10,
            "attention_high": 10.0**-row,
            "pairs": pairs.ravel(),
        }
    )


def test_heads_are_ranked_within_their_block() -> None:
    ranked = with_rank(HEADS)
    assert ranked["rank"].tolist() == [2, 1, 1, 2, 0]
    assert ranked.columns.tolist() == ["block", "head", "rank", "far_share"]


def test_heads_of_equal_rank_are_pooled_whatever_their_number() -> None:
    """The second training is the first one with its heads in another order."""
    rng = np.random.default_rng(0)
    pairs = rng.integers(1, 50, size=(2, 2, 3, 2))
    swapped = HEADS.assign(far_share=[0.7, 0.2, 0.1, 0.5, 0.6])
    edges = [1.0, 2.0, 4.0, 5.0]
    tables = [histogram(edges, pairs), histogram(edges, pairs[:, ::-1])]
    both = pooled(tables, [with_rank(HEADS), with_rank(swapped)])
    alone = pooled(tables[:1], [with_rank(HEADS)])
    assert both.pairs.tolist() == (2 * alone.pairs).tolist()
    assert alone.pairs.sum() == pairs.sum()
    chosen = alone[(alone.block == 1) & (alone["rank"] == 1)]  # head 2
    assert chosen.pairs.sum() == pairs[0, 1].sum()
    assert chosen.groupby("distance_low").pairs.sum().tolist() == pairs[0, 1].sum(1).tolist()


def test_other_columns_are_counted_where_their_middle_lies() -> None:
    heads = with_rank(HEADS[HEADS.block == 1])
    first = histogram([1.0, 2.0, 4.0], np.ones((1, 2, 2, 1), dtype=int))
    other = histogram([0.5, 1.5, 3.5, 9.0], np.full((1, 2, 3, 1), 10))
    both = pooled([first, other], [heads, heads])
    assert sorted(set(both.distance_low)) == [1.0, 2.0]
    by_column = both[both["rank"] == 1].set_index("distance_low").pairs
    assert by_column.to_dict() == pytest.approx({1.0: 11, 2.0: 21})
