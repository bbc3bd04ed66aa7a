"""Figure 7 of doi:10.1039/d3dd00005b: range of the attention against complexity and size."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from sitenet.analysis.task_ranges import (
    ALL,
    EVEN,
    REACH,
    compare_tasks,
    correlations,
    lines,
    trainings_of,
)
from sitenet.plots import fitting, style
from sitenet.plots.clouds import Clouds
from sitenet.progress import log
from sitenet.tables import read_table, write_table

ROW_HEIGHT = 6.0  # cm
LABEL = {
    "i_conf": "configurational complexity $I_{conf}$ (bits)",
    "primitive_length": "cube root of primitive volume (Å)",
}
DASHES = (0, (3, 2))  # of the median of even attention


@dataclass(frozen=True)
class Training:
    """One training in figure 7.

    task: title, the same for all trainings of a setting. long_range: table of coefficients (id,
    split, long_range_coefficient and even_coefficient in A). complexity: table of the same
    crystals (id, i_conf, primitive_length in A).
    """

    task: str
    dataset: str
    seed: int
    long_range: Path
    complexity: Path


@style.styled
def draw_fig7(
    trainings: Sequence[Training],
    pdf: Path,
    data: Path,
    table: Path,
    tasks_table: Path,
    seed: int = 0,
) -> None:
    """Draw long-range coefficients against complexity and size on common axes, a row for each task.

    Crystals are shown with their mean over the trainings of the task, trainings with a line each,
    and in a last column with the median and quartiles of their crystals.

    Args:
        trainings: all trainings of all tasks.
        pdf: figure to write, with a PNG next to it.
        data: Parquet file to write: the points of all trainings.
        table: CSV file to write: `analysis.task_ranges.correlations` of each panel.
        tasks_table: CSV file to write: `analysis.task_ranges.compare_tasks`.
        seed: of the bootstrap.
    """
    tasks = list(dict.fromkeys(training.task for training in trainings))
    points = [pd.concat([_points(t) for t in trainings if t.task == task]) for task in tasks]
    means = [_mean_over_trainings(own) for own in points]
    tables = {
        name: [correlations(task, own, name, seed) for task, own in zip(tasks, points, strict=True)]
        for name in LABEL
    }
    limits = {name: style.from_zero([m[name].to_numpy() for m in means]) for name in LABEL}
    reach = style.from_zero([m[REACH].to_numpy() for m in means], room=0.3)

    height = style.row_height(len(tasks), ROW_HEIGHT, 4.0)
    figure = style.new_figure(style.DOUBLE, height * len(tasks) + 0.8)
    axes = figure.subplots(len(tasks), 3, squeeze=False, sharex="col", sharey=True,
                           width_ratios=[3, 3, 1.2])  # fmt: skip
    clouds = Clouds([len(m) for m in means])
    for row, task in enumerate(tasks):
        for panel, name in zip(axes[row], LABEL, strict=False):
            panel.set(xlim=limits[name], ylim=reach, title=task)
            _panel(panel, clouds, points[row], means[row], name, tables[name][row])
        axes[row, 0].set_ylabel("long-range coefficient (Å)")
        _medians(axes[row, 2], points[row])
    style.letter(axes.flat)
    for axis, label in zip(axes[-1], LABEL.values(), strict=False):
        axis.set_xlabel(label)
        axis.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
    axes[-1, 2].set_xlabel("seed")
    crystal = "test crystal" if len(trainings) == len(tasks) else "test crystal, mean of trainings"
    fitting.legend(figure, [*clouds.explain(figure, axes[:, :2], crystal), *_keys()])
    style.save(figure, pdf)
    write_table(data, pd.concat(points, ignore_index=True))
    write_table(table, pd.concat([part for own in zip(*tables.values(), strict=True)
                                  for part in own], ignore_index=True))  # fmt: skip
    write_table(tasks_table, compare_tasks(points))


def _points(training: Training) -> pd.DataFrame:
    """The test crystals of one training, as `analysis.task_ranges` describes."""
    columns = ["id", REACH, EVEN]
    reach = read_table(training.long_range, columns=columns, filters=[("split", "==", "test")])
    measures = read_table(training.complexity, columns=["id", *LABEL])
    points = reach.merge(measures, on="id", validate="one_to_one")
    if len(points) < len(reach):
        missing = f"{len(reach) - len(points):,} of {len(reach):,} crystals"
        log.info(f"{training.task}, seed {training.seed}: {missing} have no complexity; left out")
    return points.assign(task=training.task, dataset=training.dataset, seed=training.seed)


def _mean_over_trainings(points: pd.DataFrame) -> pd.DataFrame:
    return points.groupby("id", sort=False)[[REACH, EVEN, *LABEL]].mean()


def _panel(
    axes: Axes,
    clouds: Clouds,
    points: pd.DataFrame,
    means: pd.DataFrame,
    name: str,
    table: pd.DataFrame,
) -> None:
    """Crystals, the fitted line of each training over their range, and rho over trainings."""
    if means.empty:
        style.empty(axes, "no test crystals")
        return
    clouds.draw(axes, means[name].to_numpy(), means[REACH].to_numpy())
    ends = np.array([means[name].min(), means[name].max()])
    for line in lines(points, name):
        axes.plot(ends, line.slope * ends + line.intercept, color=style.VERMILLION, linewidth=0.9)
    axes.axhline(means[EVEN].median(), color=style.BLACK, linestyle=DASHES, linewidth=0.8)
    found = table[table.seed == ALL].iloc[0]
    rho = (
        f"Spearman ρ = {found.spearman:.2f} [{found.spearman_low:.2f}, {found.spearman_high:.2f}]"
        if np.isfinite(found.spearman)
        else "ρ is not defined"
    )
    count = "one training" if found.trainings == 1 else f"{found.trainings} trainings"
    style.note(axes, f"{rho}\n{found.crystals:,} crystals, {count}", "upper right")


def _medians(axes: Axes, points: pd.DataFrame) -> None:
    """Median and quartiles of the crystals of each training."""
    own = trainings_of(points)
    for place, training in enumerate(own):
        low, middle, high = np.percentile(training[REACH], [25, 50, 75])
        axes.plot([place, place], [low, high], color=style.VERMILLION, linewidth=0.9)
        axes.plot(place, middle, "o", color=style.VERMILLION, markersize=3.5)
    if own:
        axes.axhline(points[EVEN].median(), color=style.BLACK, linestyle=DASHES, linewidth=0.8)
    axes.set(xlim=(-0.6, max(1, len(own)) - 0.4))
    axes.set_xticks(range(len(own)), [str(training.seed.iloc[0]) for training in own])


def _keys() -> list[Line2D]:
    return [
        Line2D([], [], color=style.VERMILLION, linewidth=0.9, label="one training"),
        Line2D([], [], color=style.VERMILLION, linewidth=0.9, marker="o", markersize=3.5,
               label="its median and quartiles"),
        Line2D([], [], color=style.BLACK, linestyle=DASHES, linewidth=0.8,
               label="median of even attention"),
    ]  # fmt: skip
