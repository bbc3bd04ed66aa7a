"""Figure: changes of predictions between equivalent descriptions, for both supercell rules."""

from collections.abc import Sequence
from pathlib import Path
from string import ascii_lowercase

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from sitenet.analysis.equivalent_descriptions import CHANGES
from sitenet.analysis.supercell_rules import RULES, TOLERANCE, summarise_invariance
from sitenet.plots import style
from sitenet.tables import read_table, write_table

PANEL_HEIGHT = 6.0  # cm
LOWEST = 1e-8
SPREAD = 0.13  # half width of a group of points, in units of the spacing of the changes


@style.styled
def draw_invariance(
    runs: Sequence[tuple[str, str, Path]], pdf: Path, data: Path, table: Path
) -> None:
    """Draw |change of the prediction| of each crystal by kind of change, with a panel for each run.

    Args:
        runs: title, unit of the label, and table of `analysis.invariance.write_invariance`.
        pdf: figure to write, with a PNG next to it.
        data: Parquet file to write: all changes, with a column `run`.
        table: CSV file to write: largest and mean changes, with a column `run`.
    """
    changes = [read_table(path) for *_, path in runs]
    figure = style.new_figure(style.DOUBLE, PANEL_HEIGHT * len(runs) + 0.8)
    axes = figure.subplots(len(runs), 1, squeeze=False, sharex=True)[:, 0]
    for axis, (title, unit, _), points in zip(axes, runs, changes, strict=True):
        _panel(axis, points)
        axis.set_title(f"{title}, {points.id.nunique():,} test crystals")
        axis.set_ylabel(f"|change of prediction| ({unit})")
    if len(runs) > 1:
        for axis, name in zip(axes, ascii_lowercase, strict=False):
            style.letter(axis, name)
    axes[-1].set_xticks(range(len(CHANGES)), list(CHANGES))
    axes[-1].set_xlabel("change of the description of the crystal")
    handles = [
        Line2D([], [], marker="o", linestyle="", color=colour, markersize=4, label=f"{label}")
        for colour, label in style.RULE_STYLES.values()
    ]
    handles.append(Line2D([], [], color=style.BLACK, label="largest"))
    figure.legend(handles=handles, loc="outside upper center", ncols=3)
    style.save(figure, pdf)
    titles = [title for title, *_ in runs]
    tables = [summarise_invariance(points) for points in changes]
    write_table(data, style.of_runs(titles, changes))
    write_table(table, style.of_runs(titles, tables))


def _panel(axes: Axes, points: pd.DataFrame) -> None:
    random = np.random.default_rng(0)
    for k, change in enumerate(CHANGES):
        for rule, side in zip(RULES, (-1, 1), strict=True):
            chosen = (points["change"] == change) & (points.supercell == rule)
            size = points.delta[chosen].abs().clip(lower=LOWEST).to_numpy()
            middle = k + 0.2 * side
            x = middle + random.uniform(-SPREAD, SPREAD, len(size))
            axes.scatter(x, size, s=5, color=style.RULE_STYLES[rule][0], alpha=0.5, linewidths=0)
            axes.plot([middle - SPREAD, middle + SPREAD], [size.max()] * 2, color=style.BLACK)
    axes.axhline(TOLERANCE, color=style.GREY, linestyle="--", linewidth=0.8)
    top = max(1.0, 2 * points.delta.abs().max())
    axes.set(yscale="log", ylim=(LOWEST / 2, top))
    ticks = [10.0**power for power in range(-8, 9, 2) if 10.0**power <= top]
    axes.set_yticks(ticks, [r"$\leq 10^{-8}$", *(f"$10^{{{np.log10(t):.0f}}}$" for t in ticks[1:])])
    axes.yaxis.set_minor_locator(NullLocator())
