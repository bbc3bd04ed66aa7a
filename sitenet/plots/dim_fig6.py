"""Figure 6 of doi:10.1039/d4dd00202d: validation losses of Deep InfoMax in pre-training."""

from collections.abc import Sequence
from math import log
from pathlib import Path

import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from sitenet.plots import fitting, style
from sitenet.tables import write_table

LINES = {"local": "-", "global": (0, (1.2, 1.2))}
PANELS = {"score": "score loss (nats)", "kl": "KL term"}
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
    for axis, (measure, label) in zip(axes, PANELS.items(), strict=True):
        for number, table in enumerate(tables):
            for level, dashes in LINES.items():
                axis.plot(table.epoch, table[f"val_{level}_{measure}"], color=f"C{number}",
                          linestyle=dashes, marker="." if len(table) == 1 else None)  # fmt: skip
        axis.set(xlabel="epoch", ylabel=f"validation {label}")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    style.marked(axes[0], UNTRAINED, f"all scores zero: 2 ln 2 = {UNTRAINED:.3f} nats")
    style.letter(axes)
    fitting.legend(figure, _legend(names))
    style.save(figure, pdf)
    columns = [f"val_{level}_{measure}" for level in LINES for measure in PANELS]
    write_table(data, style.of_runs(names, [t[["epoch", *columns]] for t in tables]))


def _legend(names: Sequence[str]) -> list[Line2D]:
    colours = [Line2D([], [], color=f"C{k}", label=name) for k, name in enumerate(names)]
    levels = [
        Line2D([], [], color=style.BLACK, linestyle=dashes, label=level)
        for level, dashes in LINES.items()
    ]
    return colours + levels
