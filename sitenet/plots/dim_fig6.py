"""Figure 6 of doi:10.1039/d4dd00202d: validation losses of Deep InfoMax in pre-training."""

from collections.abc import Sequence
from math import log
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from sitenet.plots import style
from sitenet.tables import write_table

LINES = {"local": "-", "global": (0, (1.2, 1.2))}
PANELS = {"score": "score loss", "kl": "KL term"}
UNTRAINED = 2 * log(2)


@style.styled
def draw_dim_fig6(histories: Sequence[Path], titles: Sequence[str], pdf: Path, data: Path) -> None:
    """Draw a panel for the score loss and one for the KL term, with a colour for each pre-training.

    Writes `pdf`, a PNG next to it, and `data` (Parquet): run, epoch, val_local_score,
    val_local_kl, val_global_score, val_global_kl.
    """
    names = [title.replace("_", " ") for title in titles]
    tables = [pd.read_csv(path) for path in histories]
    figure = style.new_figure(style.DOUBLE, 6.8)
    axes = figure.subplots(1, 2)
    for axis, (measure, label), letter in zip(axes, PANELS.items(), "ab", strict=True):
        for number, table in enumerate(tables):
            for level, dashes in LINES.items():
                axis.plot(table.epoch, table[f"val_{level}_{measure}"], color=f"C{number}",
                          linestyle=dashes)  # fmt: skip
        axis.set(xlabel="epoch", ylabel=f"validation {label}")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        style.letter(axis, letter)
    _untaught(axes[0])
    figure.legend(handles=_legend(names), loc="outside lower center", ncols=len(names) + 2)
    style.save(figure, pdf)
    columns = [f"val_{level}_{measure}" for level in LINES for measure in PANELS]
    write_table(data, style.of_runs(names, [t[["epoch", *columns]] for t in tables]))


def _untaught(axis: Axes) -> None:
    """Mark the loss for scores of zero, which an untrained model has."""
    axis.axhline(UNTRAINED, color=style.GREY, linestyle="--", linewidth=0.8)
    axis.annotate(f"2 ln 2 = {UNTRAINED:.3f}", (1, UNTRAINED), (-2, 2), ha="right", va="bottom",
                  xycoords=("axes fraction", "data"), textcoords="offset points",
                  color=style.GREY, fontsize=7)  # fmt: skip


def _legend(names: Sequence[str]) -> list[Line2D]:
    colours = [Line2D([], [], color=f"C{k}", label=name) for k, name in enumerate(names)]
    levels = [
        Line2D([], [], color=style.BLACK, linestyle=dashes, label=level)
        for level, dashes in LINES.items()
    ]
    return colours + levels
