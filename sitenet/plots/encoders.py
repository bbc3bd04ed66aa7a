"""The figure and tables of trained encoders, beside untrained ones and descriptors."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from sitenet.analysis import encoder_tests
from sitenet.analysis.encoder_tests import DESCRIPTORS, TRAINED, UNTRAINED
from sitenet.evaluate.rounding import in_brackets
from sitenet.plots import fitting, style
from sitenet.tables import read_table, write_table

COLOURS = {"Z": style.VERMILLION, "atoms": style.BLUE, "pooled": style.GREEN,
           "site features": style.ORANGE, "composition": style.BLACK}  # fmt: skip

DASHES: dict[str, Any] = {TRAINED: "-", UNTRAINED: (0, (3, 1.5)), DESCRIPTORS: (0, (1, 1))}

WORDS = {"ridge": "ridge regression", "trees": "randomised trees"}
"""Models that are drawn; the tables have more."""

Named = tuple[str, str, int, Path]
"""Task, kind of encoder, its number, and the table of its errors."""


@style.styled
def draw_encoders(
    units: Mapping[str, str],
    errors: Sequence[Named],
    pdf: Path,
    data: Path,
    table: Path,
    tests: Path,
) -> None:
    """Draw the error against the number of labels, a panel for each kind, model and task.

    Lines are medians over trainings, of medians over draws of labels; bands are from the lowest to
    the highest training.

    Args:
        units: of each task.
        errors: tables of `sitenet.few.encoder_errors`; those of descriptors have no kind.
        pdf: figure to write, with a PNG next to it.
        data: Parquet file to write: all errors.
        table, tests: CSV files to write, see `sitenet.analysis.encoder_tests`.
    """
    joined = pd.concat(
        [
            read_table(path).assign(task=task, kind=kind, encoder=number)
            for task, kind, number, path in errors
        ],
        ignore_index=True,
    )
    write_table(data, joined)
    found = encoder_tests.summary(joined)
    found.insert(1, "unit", found.task.map(units))
    write_table(table, found)
    write_table(tests, encoder_tests.compared(joined))
    kinds = [kind for kind in found.kind.unique() if kind]
    lines = [(kind, model) for kind in kinds for model in WORDS]
    height = style.row_height(len(lines), 5.5, 4.5)
    figure = style.new_figure(style.DOUBLE, len(lines) * height + 1.6)
    panels = figure.subplots(len(lines), len(units), squeeze=False, sharex=True, sharey="col")
    for row, (kind, model) in zip(panels, lines, strict=True):
        for axes, (task, unit) in zip(row, units.items(), strict=True):
            shown = found[(found.task == task) & (found.model == model)]
            _draw(axes, shown[shown.kind.isin(["", kind])])
            axes.set_title(f"{task}\n{kind}, {WORDS[model]}")
            axes.set(ylabel=in_brackets("test MAE", unit))
    for axes in panels[-1]:
        axes.set(xlabel="labels")
    for axes in panels.flat:
        counts = sorted(found.labels.unique())
        axes.set(xscale="log", yscale="log")
        axes.set_xticks(counts, [f"{count:,}" for count in counts])
        axes.xaxis.set_minor_locator(NullLocator())
        style.plain_ticks(axes.yaxis)
    fitting.legend(figure, _legend(found))
    style.save(figure, pdf)


def _draw(axes: Axes, rows: pd.DataFrame) -> None:
    for (name, state), line in rows.groupby(["representation", "state"], sort=False):
        colour, dashes = COLOURS[str(name)], DASHES[str(state)]
        axes.plot(line.labels, line["median"], color=colour, linestyle=dashes, linewidth=1.1)
        if state == TRAINED:
            axes.fill_between(line.labels, line.lowest, line.highest, color=colour, alpha=0.15,
                              linewidth=0)  # fmt: skip


def _legend(found: pd.DataFrame) -> list[Line2D]:
    names = [name for name in COLOURS if name in set(found.representation)]
    lines = [Line2D([], [], color=COLOURS[name], label=name) for name in names]
    words = {TRAINED: "trained", UNTRAINED: "untrained", DESCRIPTORS: "nothing learned"}
    return lines + [
        Line2D([], [], color=style.DARK, linestyle=DASHES[state], label=text)
        for state, text in words.items()
        if state in set(found.state)
    ]
