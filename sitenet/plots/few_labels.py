"""Learning curves where labels are few: the chosen model beside every arm."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from sitenet.evaluate.rounding import in_brackets
from sitenet.plots import fitting, style
from sitenet.tables import read_table, write_table

CHOSEN, WITHOUT, STACK, MEAN = "chosen", "chosen without encoders", "stack", "mean"
"""Rows of a learning curve that are no single arm of a model."""

MODELS = {
    "ridge": (style.GREEN, "ridge regression"),
    "trees": (style.ORANGE, "extremely randomised trees"),
    "boosting": (style.PURPLE, "gradient boosting"),
    "gp": (style.SKY, "Gaussian process"),
    "network": (style.VERMILLION, "Site-Net"),
}
"""Colour and legend of each model."""

DASHES = {"composition": (0, (1.2, 1.2)), "bonds": (0, (4, 2)), "composition+bonds": "-"}
"""Lines of each group of descriptors; of all else dash-dotted ones."""
OTHER = (0, (4, 1.5, 1, 1.5))

COLUMNS = 3


@style.styled
def draw_few_labels(
    experiments: Sequence[tuple[str, str, Path]], pdf: Path, data: Path, table: Path
) -> None:
    """Draw a panel for each experiment: median test error over the draws against labels.

    Args:
        experiments: title, unit of the label, and table of `sitenet.few.curves.write_curve`.
        pdf: figure to write, with a PNG next to it.
        data: Parquet file to write: all errors.
        table: CSV file to write, see `summary`.
    """
    errors = [read_table(path) for _, _, path in experiments]
    columns = min(COLUMNS, len(experiments))
    rows = -(-len(experiments) // columns)
    height = style.row_height(rows, 7.0, 5.0)
    figure = style.new_figure(style.DOUBLE, rows * height + 1.4)
    panels = figure.subplots(rows, columns, squeeze=False)
    for panel in list(panels.flat)[len(experiments) :]:
        panel.remove()
    used = list(panels.flat)[: len(experiments)]
    for panel, (title, unit, _), one in zip(used, experiments, errors, strict=True):
        medians = one.groupby(["arm", "labels"]).test_mae.median().unstack()
        for arm, row in medians.iterrows():
            values = row.dropna()  # networks are not tried with the fewest labels
            look = {"marker": "." if len(values) == 1 else None, **_look(str(arm))}
            panel.plot(values.index, values, **look)
        panel.set(xscale="log", yscale="log", xlabel="labels", ylabel=in_brackets("test MAE", unit))
        panel.set_title(title)
        panel.set_xticks(medians.columns, [f"{count:,}" for count in medians.columns])
        panel.xaxis.set_minor_locator(NullLocator())
        style.plain_ticks(panel.yaxis)
    style.letter(used)
    names = {str(arm) for one in errors for arm in one.arm}
    fitting.legend(figure, _legend(names))
    style.save(figure, pdf)
    titles = [title for title, _, _ in experiments]
    write_table(data, style.of_runs(titles, errors))
    told = [summary(one).assign(unit=unit)
            for one, (_, unit, _) in zip(errors, experiments, strict=True)]  # fmt: skip
    write_table(table, style.of_runs(titles, told))


def summary(errors: pd.DataFrame) -> pd.DataFrame:
    """Errors of each arm and number of labels over the draws, the choice first.

    labels, arm, median, mean, lowest and highest test error, chosen (share of the draws in which
    the arm won), ratio (median of its error over that of the choice in the same draw), coverage (of
    the choice: share of the test crystals in its intervals of 90 %).
    """
    rows = []
    for labels, group in errors.groupby("labels", sort=True):
        by_mask = group.pivot(index="mask", columns="arm", values="test_mae")
        winners = group[group.arm == CHOSEN].set_index("mask").winner
        for arm in by_mask:
            values = by_mask[arm]
            rows.append({
                "labels": labels,
                "arm": arm,
                "median": values.median(),
                "mean": values.mean(),
                "lowest": values.min(),
                "highest": values.max(),
                "chosen": 1.0 if arm == CHOSEN else float((winners == arm).mean()),
                "ratio": float((values / by_mask[CHOSEN]).median()),
                "coverage": group.coverage[group.arm == arm].mean(),
            })  # fmt: skip
    table = pd.DataFrame(rows)
    order = np.lexsort((table["median"], table.arm != CHOSEN, table.labels))
    return table.iloc[order].reset_index(drop=True)


def _look(arm: str) -> dict:
    """Colour, line and width of an arm."""
    if arm == CHOSEN:
        return {"color": style.BLACK, "linewidth": 2.2, "marker": "o", "markersize": 4, "zorder": 5}
    if arm == WITHOUT:
        return {"color": style.BLACK, "linewidth": 1.4, "linestyle": OTHER, "zorder": 4.5}
    if arm == STACK:
        return {"color": style.BLUE, "linewidth": 1.4, "zorder": 4}
    if arm == MEAN:
        return {"color": style.GREY, "linewidth": 0.8}
    model, _, groups = arm.partition(":")
    return {"color": MODELS[model][0], "linestyle": DASHES.get(groups, OTHER), "linewidth": 0.9}


def _legend(names: set[str]) -> list[Line2D]:
    shown = {CHOSEN: "chosen", WITHOUT: WITHOUT, STACK: "stack", MEAN: "mean of the labels"}
    lines = [Line2D([], [], label=text, **_look(arm)) for arm, text in shown.items()
             if arm in names]  # fmt: skip
    models = {name.partition(":")[0] for name in names}
    lines += [Line2D([], [], color=colour, label=text) for model, (colour, text) in MODELS.items()
              if model in models]  # fmt: skip
    groups = {name.partition(":")[2] for name in names if ":" in name}
    lines += [Line2D([], [], color=style.DARK, linestyle=dashes, linewidth=0.9, label=f"on {name}")
              for name, dashes in DASHES.items() if name in groups]  # fmt: skip
    if groups - set(DASHES):
        lines.append(Line2D([], [], color=style.DARK, linestyle=OTHER, label="on vectors"))
    return lines
