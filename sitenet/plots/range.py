"""Measures of the range of networks, against the range of their labels where it is known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from sitenet.analysis.range_measures import (
    MEASURES,
    Measure,
    curves_of_training,
    cutoff_rise,
    measures_of_training,
)
from sitenet.analysis.range_readings import compare_by_measures, readings
from sitenet.files import read_json
from sitenet.plots import fitting, style
from sitenet.tables import read_table, write_table

COLUMNS = 3
CURVES = 4
ROW_HEIGHT = 5.2  # cm


@dataclass(frozen=True)
class Training:
    """One training in the figure of range.

    task: title, the same for all trainings of a setting. known_range: of the label in A, None if it
    is not known. long_range, heads, reach: tables of `analysis.long_range`, `analysis.attention`
    and `analysis.reach`; metrics: its errors. with_cutoff: errors of trainings with the same seed
    that differ in a cutoff alone, by this cutoff in A.
    """

    task: str
    known_range: float | None
    seed: int
    long_range: Path
    heads: Path
    reach: Path
    metrics: Path
    with_cutoff: Mapping[float, Path] = field(default_factory=dict)


@style.styled
def draw_range(
    trainings: Sequence[Training],
    pdf: Path,
    data: Path,
    table: Path,
    readings_table: Path,
    tasks_table: Path,
    seed: int = 0,
) -> None:
    """Draw curves by distance for every training, then each measure against the known range.

    Args:
        trainings: all trainings of all tasks.
        pdf: figure to write, with a PNG next to it.
        data: Parquet file to write: the curves (`analysis.range_measures.curves_of_training`).
        table: CSV file to write: all measures of each training.
        readings_table: CSV file to write: `analysis.range_readings.readings`.
        tasks_table: CSV file to write: `analysis.range_readings.compare_by_measures`.
        seed: of the bootstrap.
    """
    ordered = _by_range(trainings)
    of_each = [curves_of_training(read_table(training.reach)) for training in ordered]
    measured = pd.DataFrame([_measured(*one) for one in zip(ordered, of_each, strict=True)])
    named = [own.assign(**_named(t)) for t, own in zip(ordered, of_each, strict=True)]
    curves = pd.concat(named, ignore_index=True)
    read = readings(measured, seed)
    tasks = list(dict.fromkeys(training.task for training in ordered))
    shades = mpl.colormaps["viridis"](np.linspace(0, 0.9, len(tasks)))
    colours = {task: to_hex(shade) for task, shade in zip(tasks, shades, strict=True)}
    rows = (CURVES + len(MEASURES)) // COLUMNS
    figure = style.new_figure(style.DOUBLE, ROW_HEIGHT * rows + 1.0)
    axes = figure.subplots(rows, COLUMNS).ravel()
    _draw_curves(axes[:CURVES], curves, measured, colours)
    found = {str(row.measure): row for row in read.itertuples()}
    for panel, measure in zip(axes[CURVES:], MEASURES, strict=True):
        _draw_measure(panel, measure, measured, found[measure.name], colours)
    style.letter(axes)
    fitting.legend(figure, _keys(measured, colours))
    style.save(figure, pdf)
    write_table(data, curves)
    write_table(table, measured)
    write_table(readings_table, read)
    write_table(tasks_table, compare_by_measures(measured))


def _by_range(trainings: Sequence[Training]) -> list[Training]:
    """By known range, those without one last; trainings of one task stay together."""
    first = {t.task: k for k, t in reversed([*enumerate(trainings)])}
    return sorted(
        trainings,
        key=lambda t: (np.inf if t.known_range is None else t.known_range, first[t.task]),
    )


def _error(metrics: Path) -> float:
    return float(read_json(metrics)["splits"]["test"]["mae"])


def _named(training: Training) -> dict[str, Any]:
    known = np.nan if training.known_range is None else training.known_range
    return {"task": training.task, "known_range": known, "seed": training.seed}


def _measured(training: Training, curves: pd.DataFrame) -> dict[str, Any]:
    """A row of the table: the measures of a training, and its errors with and without a cutoff."""
    error = _error(training.metrics)
    with_cutoff = {r: _error(path) for r, path in sorted(training.with_cutoff.items())}
    found = measures_of_training(
        read_table(training.long_range), pd.read_csv(training.heads), curves
    )
    found["cutoff_rise"] = cutoff_rise(error, with_cutoff)
    errors = {"mae": error} | {f"mae_cutoff_{r:g}": value for r, value in with_cutoff.items()}
    return _named(training) | {measure.name: found[measure.name] for measure in MEASURES} | errors


def _draw_curves(
    axes: Sequence[Axes], curves: pd.DataFrame, measured: pd.DataFrame, colours: Mapping[str, str]
) -> None:
    """Attention, gradient and loss by distance, a line for each training; error by cutoff."""
    attention, gradient, masked, cutoff = axes
    for (task, _), own in curves.groupby(["task", "seed"], sort=False):
        for panel, remaining in (
            (attention, 1 - own.attention),
            (gradient, 1 - own.gradient),
            (masked, own.masked_error / own.masked_error.max()),
        ):
            panel.plot(own.within, remaining, color=colours[str(task)], linewidth=0.8)
    even = curves.groupby("within").even_attention.mean()
    attention.plot(even.index, 1 - even, color=style.BLACK, linestyle="--", linewidth=0.8)
    names = [str(name) for name in measured if str(name).startswith("mae_cutoff_")]
    radii = [float(name.rsplit("_", 1)[1]) for name in names]
    for _, training in measured.iterrows():
        ratio = training[names].to_numpy(dtype=np.float64) / training.mae
        colour = colours[str(training.task)]
        cutoff.plot(radii, ratio, "o-", color=colour, linewidth=0.8, markersize=2)
    for panel, title in (
        (attention, "attention beyond r"),
        (gradient, "|dy/dd| beyond r"),
        (masked, "loss by masking beyond r"),
        (cutoff, "error, cutoff r / none"),
    ):
        panel.set(ylabel=title, xlabel="r (Å)")
    for panel in (attention, gradient, masked):
        panel.set(xlim=(2, 10), ylim=(min(0.0, panel.get_ylim()[0]), 1.03))
    if not names:
        cutoff.set(ylabel="", xlabel="")
        style.empty(cutoff, "no training\nwith a cutoff")


def _draw_measure(
    axes: Axes,
    measure: Measure,
    measured: pd.DataFrame,
    read: Any,
    colours: Mapping[str, str],
) -> None:
    """A point for each training, labels in the order of their range, unknown ones last.

    `read` is the measure's row of `analysis.range_readings.readings`.
    """
    axes.set_ylabel(measure.title)
    if measured[measure.name].isna().all():
        style.empty(axes, "not measured")
        return
    rng = np.random.default_rng(0)  # points of equal value stay apart
    for place, task in enumerate(colours):
        own = measured[measured.task == task]
        shift = np.linspace(-0.18, 0.18, len(own)) if len(own) > 1 else [0.0]
        axes.plot(place + rng.permutation(shift), own[measure.name], "o", color=colours[task],
                  markersize=3, markeredgewidth=0)  # fmt: skip
    known = measured.drop_duplicates("task").known_range
    axes.set_xticks(range(len(known)), ["?" if np.isnan(r) else f"{r:g}" for r in known])
    axes.set_xlim(-0.6, len(known) - 0.4)
    axes.set_xlabel("known range of label (Å)")
    axes.yaxis.set_major_locator(MaxNLocator(5))
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.3 * (high - low))
    if np.isfinite(read.spearman):
        order = f"{100 * read.false_order:.0f} % false order"
        style.note(axes, f"ρ = {read.spearman:.2f}, {order}", "upper left")


def _keys(measured: pd.DataFrame, colours: Mapping[str, str]) -> list[Line2D]:
    keys = []
    for task, own in measured.groupby("task", sort=False):
        known = own.known_range.iloc[0]
        label = f"{task} ({known:g} Å)" if np.isfinite(known) else str(task)
        keys.append(Line2D([], [], color=colours[str(task)], marker="o", markersize=3, label=label))
    return [*keys, Line2D([], [], color=style.BLACK, linestyle="--", linewidth=0.8,
                          label="even attention")]  # fmt: skip
