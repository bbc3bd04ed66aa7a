"""Attention over many crystals: merged pairs count as the atoms they stand for."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from attention_models import limit_memory, merged_and_dense, one_site
from example_crystals import EXAMPLES, bench_crystals, primitive
from matplotlib.figure import Figure

from sitenet.analysis.attention import (
    AttentionHistogram,
    HeadSums,
    equal_count_cuts,
    write_attention,
)
from sitenet.crystal.distances import atom_distances
from sitenet.crystal.supercell import optimal_supercell
from sitenet.plots.fig6 import Training, _percents, draw_fig6


def test_measures_of_a_site_worked_out_by_hand() -> None:
    batch = one_site([0.0, 2.0, 5.0, 8.0], [1, 2, 1, 4])
    # shares 0.2 itself, 0.3 + 0.1 near (5 A is not beyond), 0.4 far
    atom = torch.tensor([0.2, 0.15, 0.1, 0.1], dtype=torch.float64)
    sums = HeadSums(blocks=1, heads=1)
    sums.add(batch, atom[:, None, None])
    head, even = sums.table().to_dict("records")
    assert (head["block"], head["head"], head["sites"]) == (1, 1, 1)
    assert [head[n] for n in ("self_share", "near_share", "far_share")] == pytest.approx(
        [0.2, 0.4, 0.4]
    )
    assert head["mean_distance"] == pytest.approx((0.3 * 2 + 0.1 * 5 + 0.4 * 8) / 0.8)
    entropy = -(0.2 * np.log(0.2) + 0.3 * np.log(0.15) + 0.5 * np.log(0.1))
    assert head["effective_atoms"] == pytest.approx(np.exp(entropy))
    assert (even["block"], even["effective_atoms"]) == (0, pytest.approx(8))
    assert even["far_share"] == pytest.approx(4 / 8)
    assert even["mean_distance"] == pytest.approx((2 * 2 + 5 + 4 * 8) / 7)


def test_means_weigh_every_unique_site_alike() -> None:
    sums = HeadSums(blocks=1, heads=1)
    for far, weight in ((1.0, 3), (0.0, 1)):
        batch = one_site([0.0, 9.0], [1, 1], weight)
        sums.add(batch, torch.tensor([1 - far, far])[:, None, None])
    head = sums.table().iloc[0]
    assert head.sites == 4
    assert head.far_share == pytest.approx(3 / 4)
    assert head.mean_distance == pytest.approx(9 * 3 / 4)  # a site that sees only itself: 0 A


def test_histogram_of_pairs_counted_by_hand() -> None:
    histogram = AttentionHistogram(blocks=1, heads=2)
    distance = torch.tensor([0.0, 1.0, 2.0, 14.9, 15.1])
    first = torch.tensor([0.5, 0.05, 3e-8, 1.0, 0.1])
    second = torch.full((5,), 0.011)
    histogram.add(
        distance, torch.tensor([7.0, 4, 6, 2, 9]), torch.stack([first, second], 1)[:, None]
    )
    table = histogram.table()
    filled = table[table.pairs > 0]
    one = filled[filled["head"] == 1].sort_values("distance_low")
    assert one.pairs.tolist() == [4, 6, 2]  # neither the site itself nor beyond 15 A
    assert (one.attention_low <= [0.05, 1e-6 + 1e-12, 1.0]).all()
    assert (one.attention_high >= [0.05, 3e-8, 1.0]).all()  # 3e-8 is in the lowest bin
    assert (one.distance_low <= [1.0, 2.0, 14.9]).all()
    assert (one.distance_high > [1.0, 2.0, 14.9]).all()
    two = filled[filled["head"] == 2]
    assert (two.attention_low.nunique(), two.pairs.sum()) == (1, 12)


def test_columns_have_equal_counts() -> None:
    counts = np.zeros(1000, dtype=np.int64)
    counts[100:900] = 5
    cuts = equal_count_cuts(counts, 10)
    np.testing.assert_array_equal(np.add.reduceat(counts, cuts[:-1])[:10], 400)
    assert (cuts[0], cuts[-1], len(cuts)) == (100, 900, 11)
    counts[500] = 10**6  # one bin holds nearly all: it is not split
    cuts = equal_count_cuts(counts, 10)
    assert np.add.reduceat(counts, cuts[:-1]).sum() == counts.sum()
    assert len(cuts) <= 4
    with pytest.raises(ValueError, match="no pairs"):
        equal_count_cuts(np.zeros(10, dtype=np.int64), 10)


def test_merged_pairs_count_as_all_pairs_of_the_dense_model(shared) -> None:
    (batch, pairs, ours), (distance, theirs) = merged_and_dense(
        bench_crystals(shared, every=12), 50
    )
    assert len(pairs) < 0.7 * len(distance)
    tables = []
    for d, n, a in (
        (batch.pair_distance, pairs, ours),
        (distance, torch.ones(len(distance)), theirs),
    ):
        histogram = AttentionHistogram(2, 2)
        # a distance or weight on the edge between two bins may fall to either side
        histogram.add(d + 1e-7 * (d > 0), n, a * (1 + 1e-7))
        tables.append(histogram.table())
    assert tables[0].pairs.sum() == tables[1].pairs.sum() > 10_000
    one, other = (t.groupby(["block", "head", "attention_low"]).pairs.sum() for t in tables)
    assert (one > 0).sum() > 60  # the attention does vary
    assert (one - other).abs().sum() <= 1e-3 * one.sum()
    for low, high in ((0, 3), (3, 5), (5, 15)):
        inside = [
            t[(t.distance_low >= low) & (t.distance_high <= high)].pairs.sum() for t in tables
        ]
        assert inside[0] == pytest.approx(inside[1], rel=0.05)


def test_shares_equal_those_of_the_dense_model(shared) -> None:
    (batch, _, ours), (distance, theirs) = merged_and_dense(bench_crystals(shared, every=12), 50)
    sums = HeadSums(2, 2)
    sums.add(batch, ours)
    table = sums.table()
    assert table[["self_share", "near_share", "far_share"]].sum(axis=1).to_numpy() == pytest.approx(
        1
    )
    sites = float(batch.site_weight.sum())
    for row in table[table.block > 0].itertuples():
        weight = theirs[:, row.block - 1, row.head - 1]
        assert row.far_share == pytest.approx(float(weight[distance > 5].sum()) / sites, rel=1e-6)
        assert row.self_share == pytest.approx(float(weight[distance == 0].sum()) / sites, rel=1e-6)


def _write(trained: dict[str, Path], ids: list[str], batch_sites: int = 1200) -> None:
    write_attention(trained["weights"], [trained["shard"]], ids, trained["histogram"],
                    trained["table"], batch_sites)  # fmt: skip


def test_a_model_with_cutoff_attends_to_nothing_beyond_it(trained: dict[str, Path]) -> None:
    _write(trained, ["rutile", "triclinic"])
    table = pd.read_csv(trained["table"])
    assert table.sites.tolist() == [10] * 5
    assert (table.far_share[table.block > 0] == 0).all()
    assert table.far_share[table.block == 0].item() > 0.2
    cells = pd.read_parquet(trained["histogram"]).query("distance_low > 5.01 and pairs > 0")
    assert len(cells)
    assert cells.attention_high.max() < 1.3e-6


def test_the_histogram_counts_every_pair_of_site_and_atom(trained: dict[str, Path]) -> None:
    """Rutile has classes of two and of four sites: against the distances of all six."""
    _write(trained, ["rutile", "triclinic"])
    pairs = sum(((d > 0) & (d < 15)).sum() for d in map(all_distances, ("rutile", "triclinic")))
    histogram = pd.read_parquet(trained["histogram"])
    assert (histogram.groupby(["block", "head"]).pairs.sum() == pairs).all()


def test_the_table_has_means_over_all_sites(trained: dict[str, Path]) -> None:
    """Even attention to the atoms of rutile: against the distances of all six sites."""
    _write(trained, ["rutile"])
    even = pd.read_csv(trained["table"]).query("block == 0").iloc[0]
    distance = all_distances("rutile")
    assert even.sites == len(distance) == 6
    assert even.far_share == pytest.approx((distance > 5).mean(), rel=1e-5)
    assert even.mean_distance == pytest.approx(distance.sum(1).mean() / (len(distance[0]) - 1))
    shares = (distance > 5).mean(1)
    assert shares.std() > 1e-3  # titanium and oxygen see different surroundings


def all_distances(name: str) -> np.ndarray:
    """Distances (A) from each site of an example to all atoms of its supercell."""
    cell = primitive(EXAMPLES[name])
    return atom_distances(cell.lattice, cell.frac, optimal_supercell(cell, 60).matrix)


def test_batches_and_memory_do_not_change_the_sums(trained: dict[str, Path]) -> None:
    found = []
    for batch_sites, memory_gib in ((1200, 1), (1, 1), (1200, 1e-6)):
        limit_memory(trained["weights"], memory_gib)
        _write(trained, ["rutile", "triclinic", "perovskite"], batch_sites)
        found.append((pd.read_parquet(trained["histogram"]), pd.read_csv(trained["table"])))
    for histogram, table in found[1:]:
        pd.testing.assert_frame_equal(found[0][1], table, rtol=1e-5)
        assert (found[0][0].pairs - histogram.pairs).abs().sum() < 0.02 * histogram.pairs.sum()


def test_fig6_has_a_normalised_panel_for_every_head(
    trained: dict[str, Path], tmp_path: Path, drawn: list[Figure]
) -> None:
    _write(trained, ["rutile", "triclinic", "perovskite"])
    trainings = [
        Training(task, seed, trained["histogram"], trained["table"])
        for task, seed in (("gap", 0), ("gap", 1), ("energy", 0))
    ]
    draw_fig6(trainings, tmp_path / "f.pdf", tmp_path / "f.parquet", tmp_path / "f.csv")
    panels = [axes for axes in drawn[0].axes if axes.get_title()]
    expected = [f"block {b}, {rank} by range" for b in (1, 2) for rank in ("1st", "2nd")] * 2
    assert [axes.get_title() for axes in panels] == expected
    for axes in panels:
        (told,) = (text.get_text() for text in axes.texts)
        assert re.fullmatch(r" ?0% > 5 Å ?\n ?even: \d+% ?", told)
    assert _percents(pd.Series([0.31, 0.096, 0.2])) == "10–31%"
    data = pd.read_parquet(tmp_path / "f.parquet")
    columns = data.groupby(["run", "block", "rank", "distance_low"])
    assert columns.share.sum().to_numpy() == pytest.approx(1)
    heads = pd.read_csv(tmp_path / "f.csv")
    assert heads.groupby(["run", "seed"]).size().to_dict() == {
        ("gap", 0): 5, ("gap", 1): 5, ("energy", 0): 5}  # fmt: skip
    assert len({(axes.get_xlim(), axes.get_ylim()) for axes in panels}) == 1
    filled = data[data.pairs > 0]
    low, high = panels[0].get_ylim()
    assert low == pytest.approx(filled.attention_low.min())
    assert filled.attention_high.max() < high < 1e3 * filled.attention_high.max()
    assert panels[0].get_xlim()[1] == max(5, filled.distance_high.max())
    assert len({mesh.norm for axes in panels for mesh in axes.collections}) == 1
