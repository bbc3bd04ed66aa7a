"""Figure 7 of doi:10.1039/d3dd00005b: range of the attention against complexity and size."""

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
    """Correlation and linear fit of one panel."""

    correlation: Spearman
    line: Line
    even: Spearman
    """Correlation of the coefficient of even attention."""


@style.styled
def draw_fig7(
    tasks: Sequence[tuple[str, Path, Path]],
    pdf: Path,
    data: Path,
    table: Path,
    tasks_table: Path,
    seed: int = 0,
) -> None:
    """Draw long-range coefficients against complexity and size on common axes, a row for each task.

    Args:
        tasks: title, table of long-range coefficients (id, long_range_coefficient and
            even_coefficient in A), and table of the same crystals' complexity (id, i_conf,
            primitive_length in A).
        pdf: figure to write, with a PNG next to it.
        data: Parquet file to write: the points.
        table: CSV file to write: for each panel, Spearman's rho with its interval, the linear fit,
            and the values for even attention.
        tasks_table: CSV file to write: comparison of tasks, see `compare_tasks`.
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
    """Paired comparison of the long-range coefficients of tasks, on the crystals that they share.

    `points`: tables of task, dataset, id, long_range_coefficient and even_coefficient; equal ids of
    different data sets are different crystals. A row for each two
    tasks with common crystals: task, other_task, crystals, median, other_median, even_median and
    other_even_median (of even attention with each task's N; all in A), median_difference (A),
    larger (fraction of crystals with the larger coefficient in `task`), p (two-sided Wilcoxon
    signed-rank test).
    """
    rows = []
    for first, second in combinations(points, 2):
        both = first.merge(second, on=["dataset", "id"], suffixes=("", "_other"))
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
    """The crystals of one task.

    Columns: task, dataset (the folder of its complexity), id, long_range_coefficient,
    even_coefficient, i_conf, primitive_length.
    """
    columns = ["id", "long_range_coefficient", "even_coefficient"]
    reach = read_table(long_range, columns=columns, filters=[("split", "==", "test")])
    measures = read_table(complexity, columns=["id", *LABEL])
    points = reach.merge(measures, on="id", validate="one_to_one")
    if len(points) < len(reach):
        missing = len(reach) - len(points)
        log.info(f"{title}: {missing:,} of {len(reach):,} crystals have no complexity; left out")
    return points.assign(task=title, dataset=complexity.parent.name)


def _common_edges(points: Sequence[pd.DataFrame], name: str, room: float = 0) -> style.Float:
    """Bin edges of a column, common to all tasks."""
    return np.linspace(*style.from_zero([p[name].to_numpy() for p in points], room), BINS + 1)


def _common_norm(
    points: Sequence[pd.DataFrame], edges: dict[str, style.Float], y_edges: style.Float
) -> LogNorm:
    """Colour scale that is common to all panels."""
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
    """Density, linear fit over the range of the data, and rho."""
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
