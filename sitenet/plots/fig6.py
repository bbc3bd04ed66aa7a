"""Figure 6 of doi:10.1039/d3dd00005b: attention against distance in every block and head."""

from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm
from matplotlib.ticker import LogLocator, MultipleLocator, NullLocator

from sitenet.analysis.distance_ranges import FAR, REACH
from sitenet.plots import style
from sitenet.tables import read_table, write_table

PANEL_HEIGHT = 5.0  # cm
COLOURS = LogNorm(1e-4, 1.0)
ATTENTION = (1e-6, 1.0)


@style.styled
def draw_fig6(runs: Sequence[tuple[str, Path, Path]], pdf: Path, data: Path, table: Path) -> None:
    """Draw a panel for each block (rows) and head (columns) of every run.

    Args:
        runs: title, histogram (Parquet) and table of the heads (CSV) as
            `analysis.attention.write_attention` writes them.
        pdf: figure to write, with a PNG next to it.
        data: Parquet file to write: all histograms and densities, with a column `run`.
        table: CSV file to write: all tables of heads, with a column `run`.
    """
    histograms = [_columns_normalised(read_table(path)) for _, path, _ in runs]
    heads = [pd.read_csv(path) for _, _, path in runs]
    rows = [int(h.block.max()) for h in histograms]
    figure = style.new_figure(style.DOUBLE, PANEL_HEIGHT * sum(rows) + 0.8 * len(runs))
    parts = figure.subfigures(len(runs), 1, squeeze=False, height_ratios=rows)[:, 0]
    letters = iter(ascii_lowercase)
    for part, (title, *_), histogram, summary in zip(parts, runs, histograms, heads, strict=True):
        _run(part, title, histogram, summary, letters)
    titles = [title for title, *_ in runs]
    style.save(figure, pdf)
    write_table(data, style.of_runs(titles, histograms))
    write_table(table, style.of_runs(titles, heads))


def _columns_normalised(histogram: pd.DataFrame) -> pd.DataFrame:
    """Add `share`: the fraction of the pairs at a distance that have an attention."""
    column = histogram.groupby(["block", "head", "distance_low"]).pairs.transform("sum")
    return histogram.assign(share=histogram.pairs / column)


def _run(
    figure: Any, title: str, histogram: pd.DataFrame, summary: pd.DataFrame, letters: Iterator[str]
) -> None:
    """All panels of one run."""
    blocks, heads = int(histogram.block.max()), int(histogram["head"].max())
    axes = figure.subplots(blocks, heads, squeeze=False, sharex=True, sharey=True)
    for block, head in product(range(1, blocks + 1), range(1, heads + 1)):
        panel = axes[block - 1, head - 1]
        mesh = _panel(panel, histogram[_is(histogram, block, head)])
        measured = summary[_is(summary, block, head)].iloc[0]
        far = f"{measured.far_share:.0%} beyond {FAR:g} Å"
        panel.set_title(f"block {block}, head {head}\n{far}")
    for axis, name in zip(axes.flat, letters, strict=False):
        style.letter(axis, name)
    for axis in axes[-1]:
        axis.set_xlabel("distance (Å)")
    for axis in axes[:, 0]:
        axis.set_ylabel("attention of one atom")
    even = summary.loc[summary.block == 0, "far_share"].item()
    figure.suptitle(f"{title} (even attention: {even:.0%} beyond {FAR:g} Å)", fontsize=9)
    figure.colorbar(mesh, ax=axes, label="share of the pairs at a distance", pad=0.015)


def _is(table: pd.DataFrame, block: int, head: int) -> "pd.Series[bool]":
    return (table["block"] == block) & (table["head"] == head)


def _panel(axes: Axes, cells: pd.DataFrame) -> QuadMesh:
    """Density of one head, with a dashed line at FAR."""
    shares = cells.pivot(index="attention_low", columns="distance_low", values="share")
    x = np.append(shares.columns.to_numpy(), cells.distance_high.max())
    y = np.append(shares.index.to_numpy(), cells.attention_high.max())
    shown = np.ma.masked_equal(shares.to_numpy(), 0)
    mesh = axes.pcolormesh(x, y, shown, norm=COLOURS, rasterized=True)
    axes.axvline(FAR, color=style.GREY, linestyle="--", linewidth=0.7)
    axes.set(yscale="log", xlim=(0, REACH), ylim=ATTENTION)
    axes.xaxis.set_major_locator(MultipleLocator(5))
    axes.yaxis.set_major_locator(LogLocator(numticks=9, base=100))
    axes.yaxis.set_minor_locator(NullLocator())
    return mesh
