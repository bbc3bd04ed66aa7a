"""Figure 7 of doi:10.1039/d3dd00005b: range of the attention against complexity and size."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from sitenet.analysis.correlation import Line, Spearman, least_squares, spearman
from sitenet.analysis.paired_tests import signed_rank
from sitenet.plots import fitting, style
from sitenet.plots.clouds import Clouds
from sitenet.progress import log
from sitenet.tables import read_table, write_table

ROW_HEIGHT = 6.0  # cm
LABEL = {
    "i_conf": "configurational complexity $I_{conf}$ (bits)",
    "primitive_length": "cube root of primitive volume (Å)",
}
RESAMPLES = 2000
EVEN = (0, (3, 2))  # dashes of the median of even attention


class Fit(NamedTuple):
    """Correlation and linear fit of one panel; NaN without crystals that differ."""

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
    limits = {name: _common_limits(points, name) for name in LABEL}
    reach = _common_limits(points, "long_range_coefficient", room=0.3)
    height = style.row_height(len(tasks), ROW_HEIGHT, 4.0)
    figure = style.new_figure(style.DOUBLE, height * len(tasks) + 0.8)
    axes = figure.subplots(len(tasks), 2, squeeze=False, sharex="col", sharey=True)
    clouds = Clouds([len(p) for p in points])
    rows = []
    for row, (title, *_) in enumerate(tasks):
        for panel, name in zip(axes[row], LABEL, strict=True):
            fit = _fit(points[row], name, seed)
            rows.append(_table_row(title, points[row], name, fit))
            panel.set(xlim=limits[name], ylim=reach, title=title)
            _panel(panel, clouds, points[row], name, fit)
        axes[row, 0].set_ylabel("long-range coefficient (Å)")
    style.letter(axes.flat)
    for axis, label in zip(axes[-1], LABEL.values(), strict=True):
        axis.set_xlabel(label)
        axis.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
    fitting.legend(figure, [*clouds.explain(figure, axes, "test crystal"), *_keys()])
    style.save(figure, pdf)
    write_table(data, pd.concat(points, ignore_index=True))
    write_table(table, pd.DataFrame(rows))
    write_table(tasks_table, compare_tasks(points))


def compare_tasks(points: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Paired comparison of the long-range coefficients of tasks, on the crystals that they share.

    `points`: tables of task, id, long_range_coefficient and even_coefficient. A row for each two
    tasks with common crystals: task, other_task, crystals, median, other_median, even_median and
    other_even_median (of even attention with each task's N; all in A), median_difference (A),
    larger (fraction of crystals with the larger coefficient in `task`), p (two-sided Wilcoxon
    signed-rank test).
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
    """The crystals of one task.

    Columns: task, id, long_range_coefficient, even_coefficient, i_conf, primitive_length.
    """
    columns = ["id", "long_range_coefficient", "even_coefficient"]
    reach = read_table(long_range, columns=columns, filters=[("split", "==", "test")])
    measures = read_table(complexity, columns=["id", *LABEL])
    points = reach.merge(measures, on="id", validate="one_to_one")
    if len(points) < len(reach):
        missing = len(reach) - len(points)
        log.info(f"{title}: {missing:,} of {len(reach):,} crystals have no complexity; left out")
    return points.assign(task=title)


def _common_limits(
    points: Sequence[pd.DataFrame], name: str, room: float = 0
) -> tuple[float, float]:
    """Limits of a column, common to all tasks."""
    return style.from_zero([p[name].to_numpy() for p in points], room)


def _fit(points: pd.DataFrame, name: str, seed: int) -> Fit:
    x, y = points[name].to_numpy(), points.long_range_coefficient.to_numpy()
    even = _correlation(x, points.even_coefficient.to_numpy(), seed)
    varies = len(x) > 0 and np.ptp(x) > 0
    line = least_squares(x, y) if varies else Line(np.nan, np.nan)
    return Fit(_correlation(x, y, seed), line, even)


def _correlation(x: style.Float, y: style.Float, seed: int) -> Spearman:
    """Rank correlation; NaN where it is not defined, as for crystals that are all alike."""
    if len(x) == 0 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return Spearman(np.nan, np.nan, np.nan, len(x))
    return spearman(x, y, seed, RESAMPLES)


def _panel(axes: Axes, clouds: Clouds, points: pd.DataFrame, name: str, fit: Fit) -> None:
    """Crystals, linear fit over their range, median of even attention, and rho."""
    if points.empty:
        style.empty(axes, "no test crystals")
        return
    x, y = points[name].to_numpy(), points.long_range_coefficient.to_numpy()
    clouds.draw(axes, x, y)
    ends = np.array([x.min(), x.max()])
    axes.plot(ends, fit.line.slope * ends + fit.line.intercept, color=style.VERMILLION)
    even = points.even_coefficient.median()
    axes.axhline(even, color=style.BLACK, linestyle=EVEN, linewidth=0.8)
    found = fit.correlation
    rho = (
        f"Spearman ρ = {found.rho:.2f} [{found.low:.2f}, {found.high:.2f}]"
        if np.isfinite(found.rho)
        else "ρ is not defined"
    )
    medians = f"median {np.median(y):.2f} Å, even attention {even:.2f} Å"
    style.note(axes, f"{rho}\n{medians}\n{found.n:,} crystals, one training", "upper right")


def _keys() -> list[Line2D]:
    return [
        Line2D([], [], color=style.VERMILLION, label="least-squares line"),
        Line2D([], [], color=style.BLACK, linestyle=EVEN, linewidth=0.8,
               label="median of even attention"),
    ]  # fmt: skip


def _table_row(title: str, points: pd.DataFrame, name: str, fit: Fit) -> dict[str, object]:
    reach, even = points.long_range_coefficient, points.even_coefficient
    return {
        "task": title,
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
