"""Figure: sizes of primitive cells, and filling and cubicness of supercells, for both rules."""

from collections.abc import Sequence
from pathlib import Path
from string import ascii_lowercase

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from sitenet.analysis.supercell_rules import summarise_supercells
from sitenet.plots import style
from sitenet.tables import read_table, write_table

ROW_HEIGHT = 5.2  # cm
BINS = np.linspace(-0.01, 1.01, 52).tolist()


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
    figure = style.new_figure(style.DOUBLE, ROW_HEIGHT * len(sets) + 0.8)
    axes = figure.subplots(len(sets), 3, squeeze=False)
    for row, (title, n_atoms, _), cells in zip(axes, sets, measured, strict=True):
        _sizes(row[0], cells, n_atoms)
        fitting = cells[cells.filling <= 1]
        _compared(row[1], fitting, "filling", f"atoms of the supercell / {n_atoms}")
        _compared(row[2], fitting, "cubicness", "cubicness (cube: 1)")
        row[0].set_ylabel("crystals")
        row[1].set_title(title)
    for axis, name in zip(axes.flat, ascii_lowercase, strict=False):
        style.letter(axis, name)
    handles, labels = axes[0, 1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    style.save(figure, pdf)
    titles = [title for title, *_ in sets]
    write_table(data, style.of_runs(titles, measured))
    write_table(table, style.of_runs(titles, [summarise_supercells(cells) for cells in measured]))


def _sizes(axes: Axes, cells: pd.DataFrame, n_atoms: int) -> None:
    """Histogram of the sites of our primitive cells, with a dashed line at N."""
    sites = cells.n_sites[cells.supercell == "optimal"].to_numpy()
    width = max(1, int(np.ceil(sites.max() / 40)))
    edges = np.arange(0, sites.max() + width + 1, width) + 0.5
    axes.hist(sites, bins=edges.tolist(), color=style.GREY)
    if sites.max() > 0.7 * n_atoms:
        axes.axvline(n_atoms, color=style.BLACK, linestyle="--", linewidth=0.7)
    axes.set(xlim=(0, None), xlabel="sites of the primitive cell")
    style.note(axes, f"{len(sites):,} crystals\nmedian {np.median(sites):g} sites", "upper right")


def _compared(axes: Axes, cells: pd.DataFrame, column: str, label: str) -> None:
    """Histogram of a measure for both rules, with the means."""
    means = []
    for rule, (colour, name) in style.RULE_STYLES.items():
        values = cells.loc[cells.supercell == rule, column].to_numpy()
        axes.hist(values, bins=BINS, color=colour, alpha=0.45, label=name)
        axes.hist(values, bins=BINS, color=colour, histtype="step", linewidth=1.0)
        means.append(f"mean {values.mean():.3f} ({name.split()[0]})")
    axes.set(xlim=(BINS[0], BINS[-1]), xlabel=label)
    style.note(axes, "\n".join(means))
