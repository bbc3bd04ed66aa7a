"""Figure of a hyperparameter search: learning curves, progress, errors by parameter."""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from sitenet.evaluate.rounding import in_brackets
from sitenet.options.search import RANGES
from sitenet.plots import fitting, style
from sitenet.tables import read_table, write_table
from sitenet.tune.ranges import LOGARITHMIC

COLOURS = {"finished": style.BLUE, "stopped": style.GREY}
BEST = style.VERMILLION
COLUMNS = 4


@style.styled
def draw_search(trials: Path, curves: Path, unit: str, pdf: Path, data: Path) -> None:
    """Draw learning curves, the lowest error against trials, and errors against each parameter.

    Writes `pdf`, a PNG next to it, and `data` (Parquet): the trials that did not fail, with
    best_so_far, the lowest validation MAE up to each trial.
    """
    table = pd.read_csv(trials)
    table = table[table.outcome != "failed"].reset_index(drop=True)
    table["best_so_far"] = table.val_mae.cummin()
    figure = style.new_figure(style.DOUBLE, 17.0)
    top, rest = figure.subfigures(2, 1, height_ratios=[1.0, 2.0], squeeze=False).flat
    left, right = top.subplots(1, 2)
    _curves(left, read_table(curves), table, unit)
    _progress(right, table, unit)
    panels = rest.subplots(len(RANGES) // COLUMNS, COLUMNS, sharey=True)
    for axis, name in zip(panels.flat, RANGES, strict=True):
        _parameter(axis, table, name)
    for axis in panels[:, 0]:
        axis.set_ylabel(in_brackets("MAE", unit))
    style.letter([left, right, *panels.flat])
    fitting.legend(figure, _legend())
    style.save(figure, pdf)
    write_table(data, table)


def _curves(axis: Axes, curves: pd.DataFrame, table: pd.DataFrame, unit: str) -> None:
    """Validation MAE against epoch, on a log scale because of the large first errors."""
    best = table.trial.iloc[table.val_mae.argmin()]
    for row in table.itertuples():
        curve = curves[curves.trial == row.trial]
        chosen = row.trial == best
        axis.plot(curve.epoch, curve.val_mae, color=BEST if chosen else COLOURS[str(row.outcome)],
                  linewidth=1.4 if chosen else 0.7, zorder=3 if chosen else 2,
                  marker="o" if len(curve) == 1 else None, markersize=2)  # fmt: skip
    axis.set(xlabel="epoch", ylabel=in_brackets("validation MAE", unit), yscale="log")
    axis.set_xlim(0, curves.epoch.max() + 1)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    _plain(axis)


def _progress(axis: Axes, table: pd.DataFrame, unit: str) -> None:
    """Lowest error of each trial, and the lowest so far."""
    axis.step(table.trial, table.best_so_far, where="post", color=BEST)
    _points(axis, table, table.trial)
    axis.set(xlabel="trial", ylabel=in_brackets("lowest validation MAE", unit), yscale="log")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    _plain(axis)


def _parameter(axis: Axes, table: pd.DataFrame, name: str) -> None:
    """Lowest error of each trial against one parameter."""
    _points(axis, table, table[name])
    axis.set(xlabel=name.replace("_", " "), yscale="log")
    if name == LOGARITHMIC:
        axis.set_xscale("log")
    else:
        axis.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    _plain(axis)


def _points(axis: Axes, table: pd.DataFrame, x: pd.Series) -> None:
    best = table.index == table.val_mae.idxmin()
    axis.scatter(x, table.val_mae, s=9, c=table.outcome.map(COLOURS), linewidths=0, zorder=2)
    axis.scatter(x[best], table.val_mae[best], s=22, c=BEST, linewidths=0, zorder=3)


def _plain(axis: Axes) -> None:
    """Label the errors with few numbers, without exponents."""
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_formatter(NullFormatter())


def _legend() -> list[Line2D]:
    entries = {"best trial, lowest so far": BEST, "finished trial": COLOURS["finished"],
               "trial stopped early": COLOURS["stopped"]}  # fmt: skip
    return [
        Line2D([], [], color=colour, marker="o", markersize=3, label=label)
        for label, colour in entries.items()
    ]
