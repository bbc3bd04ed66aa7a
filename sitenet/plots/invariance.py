"""Figure: changes of predictions between equivalent descriptions, for both supercell rules."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from sitenet.analysis.equivalent_descriptions import CHANGES
from sitenet.analysis.supercell_rules import RULES, TOLERANCE, summarise_invariance
from sitenet.evaluate.rounding import after_number, in_brackets
from sitenet.plots import fitting, style
from sitenet.tables import read_table, write_table

ROW_HEIGHT = 6.0  # cm
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
    height = style.row_height(len(runs), ROW_HEIGHT, 3.4)
    figure = style.new_figure(style.DOUBLE, height * len(runs) + 1.0)
    axes = figure.subplots(len(runs), 1, squeeze=False, sharex=True, sharey=True)[:, 0]
    for axis, (title, unit, _), points in zip(axes, runs, changes, strict=True):
        _panel(axis, points)
        style.marked(axis, TOLERANCE, f"10$^{{{np.log10(TOLERANCE):.0f}}}${after_number(unit)}")
        axis.set_title(f"{title}, {points.id.nunique():,} test crystals")
        axis.set_ylabel(in_brackets("|change of\nprediction|", unit))
    _size_axis(axes[0], pd.concat(changes).delta.abs())
    if len(runs) > 1:
        style.letter(axes)
    axes[-1].set_xticks(range(len(CHANGES)), list(CHANGES))
    axes[-1].set_xlim(-0.5, len(CHANGES) - 0.5)
    axes[-1].set_xlabel("change of the description of the crystal")
    handles = [
        Line2D(
            [], [], marker="o", linestyle="", color=colour, markersize=3, label=f"crystal, {label}"
        )
        for colour, label in style.RULE_STYLES.values()
    ]
    handles.append(Line2D([], [], color=style.BLACK, label="largest change"))
    fitting.legend(figure, handles, "upper center")
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
            if not len(size):
                continue
            middle = k + 0.2 * side
            x = middle + random.uniform(-SPREAD, SPREAD, len(size))
            axes.scatter(x, size, s=5, color=style.RULE_STYLES[rule][0], alpha=0.5, linewidths=0)
            axes.plot([middle - SPREAD, middle + SPREAD], [size.max()] * 2, color=style.BLACK)


def _size_axis(axes: Axes, sizes: "pd.Series[float]") -> None:
    """Logarithmic axis of all changes, whose lowest tick stands for all smaller ones."""
    top = max(100 * TOLERANCE, 3 * float(sizes.max() if len(sizes) else 0.0))
    axes.set(yscale="log", ylim=(LOWEST / 2, top))
    low, high = round(np.log10(LOWEST)), int(np.floor(np.log10(top)))
    powers = range(low, high + 1, max(2, 2 * ((high - low) // 12)))
    names = [f"≤10$^{{{low}}}$", *(f"10$^{{{power}}}$" for power in powers[1:])]
    axes.set_yticks([10.0**power for power in powers], names)
    axes.yaxis.set_minor_locator(NullLocator())
