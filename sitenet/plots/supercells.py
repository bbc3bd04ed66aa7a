"""Figure: sizes of primitive cells, and filling and cubicness of supercells, for both rules."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from sitenet.analysis.supercell_rules import summarise_supercells
from sitenet.plots import fitting, style
from sitenet.tables import read_table, write_table

ROW_HEIGHT = 5.2  # cm
BINS = 40
HEADROOM = 1.3  # height of an axis by that of its histogram, for a note


@style.styled
def draw_supercells(
    sets: Sequence[tuple[str, int, Path]], pdf: Path, data: Path, table: Path
) -> None:
    """Draw sites of the primitive cells, filling and cubicness, with a row for each data set and N.

    Args:
        sets: title, N, and table of `analysis.supercells.write_supercells`.
        pdf: figure to write, with a PNG next to it.
        data: Parquet file to write: all measures, with a column `run`.
        table: CSV file to write: means and worst values, with a column `run`.
    """
    measured = [read_table(path) for *_, path in sets]
    height = style.row_height(len(sets), ROW_HEIGHT, 3.6)
    figure = style.new_figure(style.DOUBLE, height * len(sets) + 0.8)
    axes = figure.subplots(len(sets), 3, squeeze=False)
    edges = {name: _edges(measured, name) for name in ("filling", "cubicness")}
    for row, (title, n_atoms, _), cells in zip(axes, sets, measured, strict=True):
        _sizes(row[0], cells, n_atoms)
        usable = cells[cells.filling <= 1]
        _compared(row[1], usable, "filling", edges["filling"])
        _compared(row[2], usable, "cubicness", edges["cubicness"])
        row[0].set_ylabel(f"{title}\ncrystals")
        row[1].set_xlabel(f"atoms of the supercell / {n_atoms}")
        row[2].set_xlabel("cubicness (cube: 1)")
    style.letter(axes.flat)
    handles = [Patch(color=colour, alpha=0.45, label=name)
               for colour, name in style.RULE_STYLES.values()]  # fmt: skip
    fitting.legend(figure, handles, "upper center")
    style.save(figure, pdf)
    titles = [title for title, *_ in sets]
    write_table(data, style.of_runs(titles, measured))
    write_table(table, style.of_runs(titles, [summarise_supercells(cells) for cells in measured]))


def _sizes(axes: Axes, cells: pd.DataFrame, n_atoms: int) -> None:
    """Histogram of the sites of our primitive cells, with a line at N."""
    sites = cells.n_sites[cells.supercell == "optimal"].to_numpy()
    if not len(sites):
        style.empty(axes, "no crystals")
        return
    width = max(1, int(np.ceil(sites.max() / 40)))
    edges = np.arange(0, sites.max() + width + 1, width) + 0.5
    axes.hist(sites, bins=edges.tolist(), color=style.GREY)
    axes.set(xlim=(0, None), xlabel="sites of the primitive cell")
    if sites.max() > 0.7 * n_atoms:
        axes.set_xlim(0, max(axes.get_xlim()[1], 1.1 * n_atoms))
        style.marked(axes, n_atoms, f"N = {n_atoms}", upright=True, top=0.72)
    axes.set_ylim(0, HEADROOM * axes.get_ylim()[1])
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    style.note(axes, f"{len(sites):,} crystals\nmedian {np.median(sites):g} sites", "upper right")


def _edges(measured: Sequence[pd.DataFrame], column: str) -> list[float]:
    """Edges of the bins of a measure, common to all data sets: from the smallest value to 1."""
    cells = pd.concat(measured)
    values = cells.loc[cells.filling <= 1, column]
    least = float(np.floor(10 * values.min()) / 10) if len(values) else 0.0
    low = min(max(0.0, least), 0.9)
    return np.linspace(low - 0.01, 1.01, BINS + 1).tolist()


def _compared(axes: Axes, cells: pd.DataFrame, column: str, edges: list[float]) -> None:
    """Histogram of a measure for both rules, with the means."""
    means = []
    for rule, (colour, name) in style.RULE_STYLES.items():
        values = cells.loc[cells.supercell == rule, column].to_numpy()
        if not len(values):
            continue
        axes.hist(values, bins=edges, color=colour, alpha=0.45)
        axes.hist(values, bins=edges, color=colour, histtype="step", linewidth=1.0)
        means.append(f"mean {values.mean():.3f} ({name.split()[0]})")
    if not means:
        style.empty(axes, "no primitive cell fits")
        return
    axes.set(xlim=(edges[0], edges[-1]), ylim=(0, HEADROOM * axes.get_ylim()[1]))
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    style.note(axes, "\n".join(means))
