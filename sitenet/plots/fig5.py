"""Figure 5 of doi:10.1039/d3dd00005b: learning curves and parity plots."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, StrMethodFormatter

from sitenet.evaluate.rounding import readable
from sitenet.files import read_json
from sitenet.plots import style
from sitenet.tables import read_table, write_table

BINS = 60
ROW_HEIGHT = 6.6  # cm
WIDE = 5  # errors that differ by more than this factor are shown on a log axis


@dataclass(frozen=True)
class Fig5Run:
    """One trained model: name and unit of its label, and its files."""

    title: str
    unit: str
    history: Path
    predictions: Path
    metrics: Path


@style.styled
def draw_fig5(runs: Sequence[Fig5Run], pdf: Path, data: Path) -> None:
    """Draw the learning curve and the parity plot of the test crystals, with a row for each run.

    Writes `pdf`, a PNG next to it, and `data` (Parquet): run, panel, and either epoch, train_mae,
    val_mae or id, target, prediction.
    """
    figure = style.new_figure(style.DOUBLE, ROW_HEIGHT * len(runs))
    axes = figure.subplots(len(runs), 2, squeeze=False, width_ratios=[1.15, 1])
    shown = []
    for row, run in enumerate(runs):
        history = pd.read_csv(run.history)
        predictions = read_table(run.predictions).query("split == 'test'")
        metrics = read_json(run.metrics)
        _learning_curve(axes[row, 0], history, metrics, run)
        _parity(figure, axes[row, 1], predictions, metrics["splits"]["test"], run)
        curve = history[["epoch", "train_mae", "val_mae"]]
        points = predictions[["id", "target", "prediction"]]
        shown += [curve.assign(run=run.title, panel="learning_curve")]
        shown += [points.assign(run=run.title, panel="parity")]
    for axis, name in zip(axes.flat, ascii_lowercase, strict=False):
        style.letter(axis, name)
    style.save(figure, pdf)
    table = pd.concat(shown, ignore_index=True)
    columns = ["run", "panel", "epoch", "train_mae", "val_mae", "id", "target", "prediction"]
    write_table(data, table[columns].astype({"epoch": "Int64"}))


def _learning_curve(
    axes: Axes, history: pd.DataFrame, metrics: dict[str, Any], run: Fig5Run
) -> None:
    """Training and validation MAE against epochs; the epoch whose weights are kept is marked."""
    axes.plot(history.epoch, history.train_mae, color=style.BLUE, label="training")
    axes.plot(history.epoch, history.val_mae, color=style.VERMILLION, label="validation")
    best = history.loc[history.epoch == metrics["best_epoch"]].iloc[0]
    axes.plot(
        best.epoch,
        best.val_mae,
        "o",
        color=style.BLACK,
        markersize=4,
        label=f"best: {readable(best.val_mae)} {run.unit} at epoch {best.epoch:.0f}",
        zorder=3,
    )
    errors = history[["train_mae", "val_mae"]].to_numpy()
    if errors.min() > 0 and errors.max() > WIDE * errors.min():
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    axes.set_xlabel("epoch")
    axes.set_ylabel(f"MAE ({run.unit})")
    axes.set_title(run.title)
    axes.legend(loc="upper right")


def _parity(
    figure: Figure, axes: Axes, predictions: pd.DataFrame, scores: dict[str, Any], run: Fig5Run
) -> None:
    """Density of predictions against targets on equal axes, with the diagonal."""
    target, prediction = predictions.target.to_numpy(), predictions.prediction.to_numpy()
    both = np.concatenate([target, prediction])
    margin = 0.02 * max(float(np.ptp(both)), 1e-6)
    edges = np.linspace(both.min() - margin, both.max() + margin, BINS + 1)
    mesh = style.density(axes, target, prediction, edges, edges)
    axes.axline((edges[0], edges[0]), slope=1, color=style.GREY, linewidth=0.7, zorder=0)
    axes.set(xlim=edges[[0, -1]], ylim=edges[[0, -1]], aspect="equal")
    axes.set_xlabel(f"target ({run.unit})")
    axes.set_ylabel(f"prediction ({run.unit})")
    axes.set_title(run.title)
    r2 = "" if scores["r2"] is None else f"\nR² = {scores['r2']:.3f}"
    style.note(axes, f"MAE = {readable(scores['mae'])} {run.unit}{r2}\n{scores['n']:,} crystals")
    style.count_bar(figure, mesh, axes, "test crystals per cell")
