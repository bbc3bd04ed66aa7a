"""Figure 6 of doi:10.1039/d3dd00005b: attention against distance in every block and head."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import ceil, floor, log10
from pathlib import Path
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm
from matplotlib.ticker import MultipleLocator, NullLocator

from sitenet.analysis.distance_ranges import FAR, REACH
from sitenet.analysis.ranked_heads import pooled, with_rank
from sitenet.plots import style
from sitenet.tables import read_table, write_table

ROW_HEIGHT = 4.6  # cm
COLUMNS = 4  # at most; further heads go to another row
NARROW = 12  # characters of a line beside a panel
HEADROOM = 0.3  # fraction of the height above the data, for a note


@dataclass(frozen=True)
class _Frame:
    """Axes and colours that all panels share.

    distance: upper limit (A). attention: lowest and highest value with pairs. lowest: lower edge of
    the lowest cells, which count everything below.
    """

    distance: float
    attention: tuple[float, float]
    lowest: float
    colours: LogNorm


@dataclass(frozen=True)
class Training:
    """One training in figure 6.

    task: title, the same for all trainings of a setting. histogram (Parquet) and heads (CSV):
    tables that `analysis.attention.write_attention` writes.
    """

    task: str
    seed: int
    histogram: Path
    heads: Path


@style.styled
def draw_fig6(trainings: Sequence[Training], pdf: Path, data: Path, table: Path) -> None:
    """Draw a panel for each block and head of every task, all with the same axes and colours.

    Heads of the trainings of a task are pooled by their rank (`analysis.ranked_heads`).

    Args:
        trainings: all trainings of all tasks.
        pdf: figure to write, with a PNG next to it.
        data: Parquet file to write: pooled histograms and densities, with a column `run`.
        table: CSV file to write: the heads of all trainings, with columns `run` and `seed`.
    """
    tasks = list(dict.fromkeys(training.task for training in trainings))
    of_task = [[t for t in trainings if t.task == task] for task in tasks]
    ranked = [[with_rank(pd.read_csv(t.heads)).assign(seed=t.seed) for t in own] for own in of_task]
    histograms = [
        _columns_normalised(pooled([read_table(t.histogram) for t in own], heads))
        for own, heads in zip(of_task, ranked, strict=True)
    ]
    heads = [pd.concat(tables, ignore_index=True) for tables in ranked]
    most = max(int(histogram["rank"].max()) for histogram in histograms)
    columns = ceil(most / ceil(most / COLUMNS))
    rows = [int(h.block.max()) * ceil(int(h["rank"].max()) / columns) for h in histograms]
    height = style.row_height(sum(rows), ROW_HEIGHT, 2.8)
    figure = style.new_figure(style.DOUBLE, height * sum(rows) + 1.4)
    axes = figure.subplots(sum(rows), columns, squeeze=False)
    frame = _frame(pd.concat(histograms))
    drawn: list[Axes] = []
    first = 0
    for task, own, histogram, summary in zip(tasks, rows, histograms, heads, strict=True):
        lines = axes[first : first + own]
        first += own
        for panel, block, rank in _places(lines, histogram):
            mesh = _panel(panel, histogram[_is(histogram, block, rank)], frame)
            far, even = (
                summary.loc[_is(summary, *which), "far_share"] for which in ((block, rank), (0, 0))
            )
            note = f"{_percents(far)} > {FAR:g} Å\neven: {even.mean():.0%}"
            style.marked(panel, FAR, note, upright=True)
            panel.set_title(f"block {block}, {_ordinal(rank)} by range")
            drawn.append(panel)
        for line in lines:
            line[0].set_ylabel("\n".join(fill(part, NARROW) for part in task.split(", ")))
    figure.supylabel("attention of one atom", fontsize=rcParams["axes.labelsize"])
    for panel in axes[-1]:
        panel.set_xlabel("distance (Å)")
    for panel in set(axes.flat) - set(drawn):
        panel.remove()
    style.letter(drawn)
    figure.colorbar(mesh, ax=axes, label="share of the pairs at a distance", location="bottom",
                    shrink=0.6, aspect=45, pad=0.02)  # fmt: skip
    style.save(figure, pdf)
    write_table(data, style.of_runs(tasks, histograms))
    write_table(table, style.of_runs(tasks, [_seed_first(table) for table in heads]))


def _columns_normalised(histogram: pd.DataFrame) -> pd.DataFrame:
    """Add `share`: the fraction of the pairs at a distance that have an attention."""
    column = histogram.groupby(["block", "rank", "distance_low"]).pairs.transform("sum")
    return histogram.assign(share=histogram.pairs / column)


def _frame(histograms: pd.DataFrame) -> _Frame:
    """The smallest frame that shows all cells with pairs."""
    filled = histograms[histograms.pairs > 0]
    least = 10.0 ** floor(log10(filled.share.min()))
    return _Frame(
        distance=min(REACH, float(filled.distance_high.max())),
        attention=(float(filled.attention_low.min()), float(filled.attention_high.max())),
        lowest=float(histograms.attention_low.min()),
        colours=LogNorm(min(least, 0.1), 1.0),
    )


def _places(lines: np.ndarray, histogram: pd.DataFrame) -> Iterator[tuple[Axes, int, int]]:
    """Axes, block and rank of each panel of a task; every block starts in a new line."""
    blocks, heads = int(histogram.block.max()), int(histogram["rank"].max())
    own = len(lines) // blocks
    for block, head in product(range(blocks), range(heads)):
        yield lines[block * own : (block + 1) * own].flat[head], block + 1, head + 1


def _is(table: pd.DataFrame, block: int, rank: int) -> "pd.Series[bool]":
    return (table["block"] == block) & (table["rank"] == rank)


def _percents(shares: "pd.Series[float]") -> str:
    """The smallest and the largest share of the trainings."""
    ends = dict.fromkeys(round(100 * share) for share in (shares.min(), shares.max()))
    return "–".join(map(str, ends)) + "%"


def _ordinal(rank: int) -> str:
    return f"{rank}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(rank, 'th') }"


def _seed_first(heads: pd.DataFrame) -> pd.DataFrame:
    return heads[["seed", *heads.columns.drop("seed")]]


def _panel(axes: Axes, cells: pd.DataFrame, frame: _Frame) -> QuadMesh:
    """Density of the heads of one rank."""
    shares = cells.pivot(index="attention_low", columns="distance_low", values="share")
    x = np.append(shares.columns.to_numpy(), cells.distance_high.max())
    y = np.append(shares.index.to_numpy(), cells.attention_high.max())
    shown = np.ma.masked_equal(shares.to_numpy(), 0)
    mesh = axes.pcolormesh(x, y, shown, norm=frame.colours, rasterized=True)
    low, high = frame.attention
    top = high * (high / low) ** (HEADROOM / (1 - HEADROOM))
    axes.set(yscale="log", xlim=(0, max(frame.distance, FAR)), ylim=(low, top))
    axes.xaxis.set_major_locator(MultipleLocator(5))
    powers = range(ceil(log10(low) - 1e-9), floor(log10(high) + 1e-9) + 1)
    powers = powers[:: max(1, ceil(len(powers) / 4))]
    below = low <= frame.lowest * 1.001
    names = [("≤" if below and k == powers[0] else "") + f"$10^{{{k}}}$" for k in powers]
    axes.set_yticks([10.0**k for k in powers], names)
    axes.yaxis.set_minor_locator(NullLocator())
    axes.label_outer()
    return mesh
