"""Figure 5 of doi:10.1039/d3dd00005b: learning curves and parity plots."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from sitenet.evaluate.rounding import after_number, in_brackets, readable
from sitenet.files import read_json
from sitenet.plots import fitting, style
from sitenet.plots.clouds import Clouds
from sitenet.tables import read_table, write_table

ROW_HEIGHT = 6.6  # cm
WIDE = 5  # errors that differ by more than this factor are shown on a log axis


@dataclass(frozen=True)
class Fig5Run:
    """One trained model: heading, name and unit of its label, and its files."""

    title: str
    label: str
    unit: str
    history: Path
    predictions: Path
    metrics: Path


@style.styled
def draw_fig5(runs: Sequence[Fig5Run], pdf: Path, data: Path) -> None:
    """Draw the learning curve and the parity plot of the test crystals, with a row for each run.

    Runs of one label have the same axes, and all errors the same kind of scale. Writes `pdf`, a PNG
    next to it, and `data` (Parquet): run, panel, and either epoch, train_mae, val_mae or id,
    target, prediction.
    """
    histories = [pd.read_csv(run.history) for run in runs]
    predictions = [read_table(run.predictions).query("split == 'test'") for run in runs]
    metrics = [read_json(run.metrics) for run in runs]
    height = style.row_height(len(runs), ROW_HEIGHT, 5.4)
    figure = style.new_figure(style.DOUBLE, height * len(runs) + 0.8)
    axes = figure.subplots(len(runs), 2, squeeze=False, width_ratios=[1.15, 1])
    wide = any(_is_wide(history) for history in histories)
    clouds = Clouds([len(points) for points in predictions])
    beyond = 0
    for (left, right), run, history, points, scores in zip(
        axes, runs, histories, predictions, metrics, strict=True
    ):
        alike = [k for k, other in enumerate(runs) if other.label == run.label]
        _learning_curve(left, history, scores["best_epoch"], run)
        _error_axis(left, [histories[k] for k in alike], wide)
        limits = parity_limits(pd.concat([predictions[k] for k in alike]))
        beyond += _parity(right, clouds, points, limits, scores["splits"].get("test"), run)
    last = max(history.epoch.max() for history in histories)
    for axis in axes[:, 0]:
        axis.set_xlim(0, last + 1)
    style.letter(axes.flat)
    fitting.legend(figure, [*_keys(beyond), *clouds.explain(figure, axes[:, 1], "test crystal")])
    style.save(figure, pdf)
    shown = []
    for run, history, points in zip(runs, histories, predictions, strict=True):
        curve = history[["epoch", "train_mae", "val_mae"]]
        shown += [curve.assign(run=run.title, panel="learning_curve")]
        part = points[["id", "target", "prediction"]]
        shown += [part.assign(run=run.title, panel="parity")]
    table = pd.concat(shown, ignore_index=True)
    columns = ["run", "panel", "epoch", "train_mae", "val_mae", "id", "target", "prediction"]
    write_table(data, table[columns].astype({"epoch": "Int64"}))


def parity_limits(points: pd.DataFrame) -> tuple[float, float]:
    """Limits of both axes: those of labels, and of predictions no further out than their range.

    `points`: table of target and prediction. Around labels that are all equal, errors of 10 % fit.
    """
    target, prediction = points.target.to_numpy(), points.prediction.to_numpy()
    if not len(target):
        return 0.0, 1.0
    low, high = target.min(), target.max()
    span = (high - low) or 0.1 * abs(low) or 1.0
    near = prediction[(prediction >= low - span) & (prediction <= high + span)]
    both = np.concatenate([target, near])
    margin = 0.04 * span
    return float(both.min() - margin), float(both.max() + margin)


def _errors(histories: Sequence[pd.DataFrame]) -> style.Float:
    """Finite training and validation errors (n,)."""
    errors = pd.concat(histories)[["train_mae", "val_mae"]].to_numpy().ravel()
    return errors[np.isfinite(errors)]


def _is_wide(history: pd.DataFrame) -> bool:
    errors = _errors([history])
    return bool(len(errors) and errors.min() > 0 and errors.max() > WIDE * errors.min())


def _error_axis(axes: Axes, histories: Sequence[pd.DataFrame], log: bool) -> None:
    """Limits of the errors of all runs of a label, with room for the note above them."""
    errors = _errors(histories)
    errors = errors[errors > 0] if log else errors
    low, high = (errors.min(), errors.max()) if len(errors) else (0.1, 1.0)
    if log:
        room = (high / low) ** 0.05 if high > low else 1.1
        axes.set(yscale="log", ylim=(low / room, high * room**3))
        style.plain_ticks(axes.yaxis)
    else:
        room = 0.05 * ((high - low) or abs(high) or 1.0)
        axes.set_ylim(low - room, high + 3 * room)


def _learning_curve(axes: Axes, history: pd.DataFrame, best: int, run: Fig5Run) -> None:
    """Training and validation MAE against epochs; the epoch whose weights are kept is marked."""
    marker = "." if len(history) == 1 else None
    axes.plot(history.epoch, history.train_mae, color=style.BLUE, marker=marker)
    axes.plot(history.epoch, history.val_mae, color=style.VERMILLION, marker=marker)
    kept = history.loc[history.epoch == best].iloc[0]
    axes.plot(kept.epoch, kept.val_mae, "o", color=style.BLACK, markersize=4, zorder=3)
    style.note(
        axes,
        f"best: {readable(kept.val_mae)}{after_number(run.unit)} at epoch {kept.epoch:.0f}",
        "upper right",
    )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    axes.set(xlabel="epoch", ylabel=in_brackets("MAE", run.unit), title=run.title)


def _parity(
    axes: Axes,
    clouds: Clouds,
    points: pd.DataFrame,
    limits: tuple[float, float],
    scores: dict[str, Any] | None,
    run: Fig5Run,
) -> int:
    """Predictions against labels on equal axes, with the diagonal; returns how many are beyond."""
    target, prediction = points.target.to_numpy(), points.prediction.to_numpy()
    axes.set(xlim=limits, ylim=limits, aspect="equal", title=run.title)
    axes.set(xlabel=in_brackets("target", run.unit), ylabel=in_brackets("prediction", run.unit))
    if not len(points) or scores is None:
        style.empty(axes, "no test crystals")
        return 0
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axes.axline((limits[0], limits[0]), slope=1, color=style.GREY, linewidth=0.7, zorder=0)
    inside = (prediction >= limits[0]) & (prediction <= limits[1])
    clouds.draw(axes, target[inside], prediction[inside])
    r2 = "" if scores["r2"] is None else f"\nR² = {scores['r2']:.3f}"
    crystals = f"{scores['n']:,} crystals"
    if not inside.all():
        edge = np.where(prediction > limits[1], limits[1], limits[0])
        axes.plot(target[~inside], edge[~inside], "D", color=style.BLACK, markersize=3,
                  markeredgewidth=0, clip_on=False)  # fmt: skip
        crystals += f", {(~inside).sum():,} outside"
    x, y = ((v - limits[0]) / (limits[1] - limits[0]) for v in (target, prediction))
    above, below = ((x < 0.6) & (y > 0.75)).sum(), ((x > 0.4) & (y < 0.25)).sum()
    corner = "lower right" if above > below else "upper left"
    style.note(
        axes, f"MAE = {readable(scores['mae'])}{after_number(run.unit)}{r2}\n{crystals}", corner
    )
    return int((~inside).sum())


def _keys(beyond: int) -> list[Line2D]:
    """Legend of lines and marks; `beyond`: number of predictions outside the axes."""
    dot: dict[str, Any] = {"linestyle": "", "color": style.BLACK, "markeredgewidth": 0}
    keys = [
        Line2D([], [], color=style.BLUE, label="training"),
        Line2D([], [], color=style.VERMILLION, label="validation"),
        Line2D([], [], marker="o", markersize=4, label="weights kept", **dot),
        Line2D([], [], color=style.GREY, linewidth=0.7, label="prediction = target"),
    ]
    if beyond:
        keys.append(Line2D([], [], marker="D", markersize=3, label="outside the axes", **dot))
    return keys
