"""Figure 7 of doi:10.1039/d4dd00202d: errors of training on few labels, by initial weights."""

from collections.abc import Sequence
from math import ceil
from pathlib import Path

import pandas as pd

from sitenet.analysis.paired_tests import compare
from sitenet.evaluate.rounding import in_brackets
from sitenet.plots import box_plots, style
from sitenet.tables import read_table, write_table

ROW_HEIGHT = 6.2  # cm
CONTROL = "random"
ARMS = {
    "random": box_plots.Arm("random weights", style.GREY),
    "infomax": box_plots.Arm("Deep InfoMax", style.BLUE),
    "supervised": box_plots.Arm("trained on another label", style.VERMILLION),
}


@style.styled
def draw_dim_fig7(
    titles: Sequence[str],
    units: Sequence[str],
    results: Sequence[Path],
    pdf: Path,
    data: Path,
    table: Path,
) -> None:
    """Draw box plots of the test errors of all seeds, with a panel for each experiment.

    Stars mark arms that are better than random weights (signed-rank test over the seeds, with
    Holm's correction for all comparisons of an experiment).

    Args:
        titles, units: of the experiments and their labels.
        results: tables of `sitenet.train.transfer.train_arm`, experiment by experiment.
        pdf: figure to write, with a PNG next to it.
        data: Parquet file to write: all errors.
        table: CSV file to write: medians, quartiles and comparisons.
    """
    errors = by_experiment(results)
    compared = [against_random(e).assign(unit=u) for e, u in zip(errors, units, strict=True)]
    columns = min(2, len(titles))
    rows = ceil(len(titles) / columns)
    width = style.DOUBLE if columns > 1 else style.SINGLE
    figure = style.new_figure(width, style.row_height(rows, ROW_HEIGHT, 4.0) * rows + 0.8)
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    panels = [transfer_panel(e, c) for e, c in zip(errors, compared, strict=True)]
    beyond = 0
    for axis, title, unit, panel in zip(axes, titles, units, panels, strict=False):
        beyond += box_plots.draw_boxes(axis, panel)
        axis.set(title=title, xlabel="labels", ylabel=in_brackets("test MAE", unit))
    style.letter(axes[: len(titles)])
    for axis in axes[len(titles) :]:
        axis.remove()
    present = set(pd.concat(errors).arm)
    arms = {name: arm for name, arm in ARMS.items() if name in present}
    meaning = f"better than {ARMS[CONTROL].label} (p < {box_plots.LEVEL:g})"
    box_plots.add_legend(
        figure, arms, "one seed", meaning if any(p.marks for p in panels) else "", beyond
    )
    style.save(figure, pdf)
    write_table(data, style.of_runs(titles, errors))
    write_table(table, style.of_runs(titles, compared))


def by_experiment(results: Sequence[Path]) -> list[pd.DataFrame]:
    """Tables joined by their column `experiment`, in order of appearance."""
    joined = pd.concat(map(read_table, results), ignore_index=True)
    return [table for _, table in joined.groupby("experiment", sort=False)]


def against_random(errors: pd.DataFrame) -> pd.DataFrame:
    """Comparison of every arm with random weights, by number of labels."""
    return compare(
        errors, by=["labels"], arm="arm", control=CONTROL, pairs="seed", value="test_mae"
    )


def transfer_panel(errors: pd.DataFrame, compared: pd.DataFrame) -> box_plots.Boxes:
    """The box plot of one experiment."""
    return box_plots.Boxes(
        errors,
        group="labels",
        arm="arm",
        value="test_mae",
        arms={name: arm for name, arm in ARMS.items() if (errors.arm == name).any()},
        marks=box_plots.stars(compared, ["labels", "arm"]),
    )
