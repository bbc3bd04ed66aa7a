"""Figure 7 of 10.1039/d3dd00005b: do complex or large crystals get longer-ranged attention?"""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from string import ascii_lowercase
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm
from matplotlib.ticker import MaxNLocator

from sitenet.analysis.correlation import Line, Spearman, least_squares, spearman
from sitenet.analysis.paired_tests import signed_rank
from sitenet.plots import style
from sitenet.progress import log
from sitenet.tables import read_table, write_table

BINS = 60
PANEL_HEIGHT = 6.0  # cm
LABEL = {
    "i_conf": "configurational complexity $I_{conf}$ (bits)",
    "primitive_length": "cube root of primitive volume (Å)",
}
RESAMPLES = 2000


class Fit(NamedTuple):
    """Correlation and line of one panel."""

    correlation: Spearman
    line: Line
    even: Spearman
    """Correlation of the coefficient that even attention would have."""


@style.styled
def draw_fig7(
    tasks: Sequence[tuple[str, Path, Path]],
    pdf: Path,
    data: Path,
    table: Path,
    tasks_table: Path,
    seed: int = 0,
) -> None:
    """Long-range coefficient against complexity and size: a row for each task, common axes.

    Args:
        tasks: title, table of long-range coefficients (id, long_range_coefficient and
            even_coefficient in A), and table of the same crystals' complexity (id, i_conf,
            primitive_length in A).
        pdf, data, table: figure (a PNG goes beside it), the points (Parquet), and Spearman's rho
            with its interval and the least-squares line of each panel (CSV), beside what even
            attention would give.
        tasks_table: the coefficients of two tasks on the crystals that both have (CSV).
        seed: of the bootstrap.
    """
    points = [_points(*task) for task in tasks]
    edges = {name: _common_edges(points, name) for name in LABEL}
    y_edges = _common_edges(points, "long_range_coefficient", room=0.2)
    norm = _common_norm(points, edges, y_edges)

    figure = style.new_figure(style.DOUBLE, PANEL_HEIGHT * len(tasks))
    axes = figure.subplots(len(tasks), 2, squeeze=False, sharex="col", sharey=True)
    rows = []
    for row, (title, *_) in enumerate(tasks):
        for column, name in enumerate(LABEL):
            fit = _fit(points[row], name, seed)
            rows.append(_table_row(points[row], name, fit))
            mesh = _panel(axes[row, column], points[row], name, (edges[name], y_edges), norm, fit)
            axes[row, column].set_title(title)
        axes[row, 0].set_ylabel("long-range coefficient (Å)")
    for axis, name in zip(axes.flat, ascii_lowercase, strict=False):
        style.letter(axis, name)
    for axis, label in zip(axes[-1], LABEL.values(), strict=True):
        axis.set_xlabel(label)
        axis.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
    style.count_bar(figure, mesh, axes, "crystals per cell")
    style.save(figure, pdf)
    write_table(data, pd.concat(points, ignore_index=True))
    write_table(table, pd.DataFrame(rows))
    write_table(tasks_table, compare_tasks(points))


def compare_tasks(points: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Which of two tasks has the longer-ranged attention, crystal by crystal.

    A row for each two of `points` (task, id, long_range_coefficient, even_coefficient) that share
    crystals: task, other_task, crystals, median, other_median, even_median and other_even_median
    (that of even attention, of each task's N; all in A), median_difference (A), larger (share of
    the crystals with the larger coefficient in `task`), p (Wilcoxon signed-rank test, two-sided).
    """
    rows = []
    for first, second in combinations(points, 2):
        both = first.merge(second, on="id", suffixes=("", "_other"))
        if len(both) == 0:
            continue
        mine, other = both.long_range_coefficient, both.long_range_coefficient_other
        rows.append(
            {
                "task": first.task.iloc[0],
                "other_task": second.task.iloc[0],
                "crystals": len(both),
                "median": mine.median(),
                "other_median": other.median(),
                "even_median": both.even_coefficient.median(),
                "other_even_median": both.even_coefficient_other.median(),
                "median_difference": (mine - other).median(),
                "larger": (mine > other).mean(),
                "p": signed_rank(mine - other),
            }
        )
    columns = ["task", "other_task", "crystals", "median", "other_median", "even_median",
               "other_even_median", "median_difference", "larger", "p"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def _points(title: str, long_range: Path, complexity: Path) -> pd.DataFrame:
    """The crystals of one task: task, id, long_range_coefficient, even_coefficient, i_conf,
    primitive_length."""
    columns = ["id", "long_range_coefficient", "even_coefficient"]
    reach = read_table(long_range, columns=columns, filters=[("split", "==", "test")])
    measures = read_table(complexity, columns=["id", *LABEL])
    points = reach.merge(measures, on="id", validate="one_to_one")
    if len(points) < len(reach):
        missing = len(reach) - len(points)
        log.info(f"{title}: {missing:,} of {len(reach):,} crystals have no complexity; left out")
    return points.assign(task=title)


def _common_edges(points: Sequence[pd.DataFrame], name: str, room: float = 0) -> style.Float:
    """Edges of the bins of a column, the same for all tasks."""
    return np.linspace(*style.from_zero([p[name].to_numpy() for p in points], room), BINS + 1)


def _common_norm(
    points: Sequence[pd.DataFrame], edges: dict[str, style.Float], y_edges: style.Float
) -> LogNorm:
    """One colour scale for all panels."""
    most = max(
        np.histogram2d(p[name], p.long_range_coefficient, bins=[edges[name], y_edges])[0].max()
        for p in points
        for name in LABEL
    )
    return LogNorm(1, max(2.0, most))


def _fit(points: pd.DataFrame, name: str, seed: int) -> Fit:
    x, y = points[name].to_numpy(), points.long_range_coefficient.to_numpy()
    even = spearman(x, points.even_coefficient.to_numpy(), seed, RESAMPLES)
    return Fit(spearman(x, y, seed, RESAMPLES), least_squares(x, y), even)


def _panel(
    axes: Axes,
    points: pd.DataFrame,
    name: str,
    edges: tuple[style.Float, style.Float],
    norm: LogNorm,
    fit: Fit,
) -> QuadMesh:
    """Density, line over the range of the data, and rho."""
    x, y = points[name].to_numpy(), points.long_range_coefficient.to_numpy()
    mesh = style.density(axes, x, y, *edges, norm=norm)
    ends = np.array([x.min(), x.max()])
    axes.plot(ends, fit.line.slope * ends + fit.line.intercept, color=style.VERMILLION)
    axes.set(xlim=edges[0][[0, -1]], ylim=edges[1][[0, -1]])
    found = fit.correlation
    style.note(
        axes,
        f"Spearman ρ = {found.rho:.2f} [{found.low:.2f}, {found.high:.2f}]\n{found.n:,} crystals",
        "upper right",
    )
    return mesh


def _table_row(points: pd.DataFrame, name: str, fit: Fit) -> dict[str, object]:
    reach, even = points.long_range_coefficient, points.even_coefficient
    return {
        "task": points.task.iloc[0],
        "against": name,
        "spearman": fit.correlation.rho,
        "spearman_low": fit.correlation.low,
        "spearman_high": fit.correlation.high,
        "slope": fit.line.slope,
        "intercept": fit.line.intercept,
        "even_spearman": fit.even.rho,
        "even_spearman_low": fit.even.low,
        "even_spearman_high": fit.even.high,
        "median": reach.median(),
        "even_median": even.median(),
        "above_even": (reach > even).mean(),
        "crystals": fit.correlation.n,
        "resamples": RESAMPLES,
    }
