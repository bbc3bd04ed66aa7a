"""Figures 13 and S1 of doi:10.1039/d4dd00202d: transfer beside fixed representations."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from sitenet.evaluate.rounding import in_brackets
from sitenet.plots import box_plots, dim_fig7, dim_fig8_11, style
from sitenet.tables import write_table

ROW_HEIGHT = 6.0  # cm
CONTROL = "untrained"
HEADINGS = ("fine-tuned", "fixed: linear", "fixed: ridge", "fixed: network")
UNTRAINED = box_plots.Arm("random weights", style.GREY)  # the control of both
ARMS = {**dim_fig8_11.ARMS, **dim_fig7.ARMS, CONTROL: UNTRAINED, dim_fig7.CONTROL: UNTRAINED}


@dataclass(frozen=True)
class _Row:
    """One experiment: errors, and comparisons with the control."""

    title: str
    unit: str
    transfer: pd.DataFrame
    fixed: pd.DataFrame
    transfer_compared: pd.DataFrame
    fixed_compared: pd.DataFrame


@style.styled
def draw_dim_fig13_s1(
    titles: Sequence[str],
    units: Sequence[str],
    transfer: Sequence[Path],
    representations: Sequence[Path],
    pdf: Path,
    data: Path,
    table: Path,
) -> None:
    """Draw box plots with a common axis for each experiment, to compare the ways of learning.

    The axes are logarithmic, and not extended by regression without penalty. Stars mark arms that
    are better than the control of their panel, as in figures 7 and 8.

    Args:
        titles, units: of the experiments and their labels.
        transfer, representations: tables of `sitenet.train.transfer` and
            `sitenet.evaluate.representation`, experiment by experiment.
        pdf: figure to write, with a PNG next to it.
        data: Parquet file to write: all errors; `model` is `transfer` for the fine-tuned network.
        table: CSV file to write: medians, quartiles and comparisons.
    """
    both = map(dim_fig7.by_experiment, (transfer, representations))
    rows = [_compared(*one) for one in zip(titles, units, *both, strict=True)]
    height = style.row_height(len(rows), ROW_HEIGHT, 4.0)
    figure = style.new_figure(style.DOUBLE, height * len(rows) + 1.2)
    axes = figure.subplots(len(rows), len(HEADINGS), squeeze=False, sharey="row")
    shown: set[box_plots.Arm] = set()
    beyond, marks = 0, False
    for line, row in zip(axes, rows, strict=True):
        tuned, fixed = _panels(row)
        limits = dim_fig8_11.representation_limits(fixed, [tuned], log=True)
        for axis, panel, heading in zip(line, (tuned, *fixed.values()), HEADINGS, strict=True):
            beyond += box_plots.draw_boxes(axis, panel, limits, log=True)
            axis.set(title=heading, xlabel="labels")
            shown |= {ARMS[str(name)] for _, name in panel.found()}
            marks |= bool(panel.marks)
        line[0].set_ylabel(in_brackets(f"{row.title}\ntest MAE", row.unit))
    style.letter(axes.flat)
    meaning = f"better than {UNTRAINED.label} (p < {box_plots.LEVEL:g})" if marks else ""
    used = {arm.label: arm for arm in ARMS.values() if arm in shown}
    box_plots.add_legend(figure, used, "one selection of labels", meaning, beyond)
    style.save(figure, pdf)
    errors = [_stacked(row.transfer, row.fixed) for row in rows]
    compared = [
        _stacked(row.transfer_compared, row.fixed_compared).assign(unit=row.unit) for row in rows
    ]
    write_table(data, style.of_runs(titles, errors))
    write_table(table, style.of_runs(titles, compared))


def _compared(title: str, unit: str, transfer: pd.DataFrame, fixed: pd.DataFrame) -> _Row:
    against = dim_fig7.against_random(transfer), dim_fig8_11.against_control(fixed, CONTROL)
    return _Row(title, unit, transfer, fixed, *against)


def _panels(row: _Row) -> tuple[box_plots.Boxes, dict[str, box_plots.Boxes]]:
    """Box plots of the fine-tuned network, and of each model on fixed representations."""
    present = set(row.fixed.representation)
    arms = {name: arm for name, arm in dim_fig8_11.ARMS.items() if name in present}
    fixed = dim_fig8_11.representation_panels(row.fixed, row.fixed_compared, arms)
    return dim_fig7.transfer_panel(row.transfer, row.transfer_compared), fixed


def _stacked(transfer: pd.DataFrame, fixed: pd.DataFrame) -> pd.DataFrame:
    """Both tables joined, with the columns of the table of fixed representations."""
    alike = transfer.rename(columns={"arm": "representation", "seed": "mask"})
    return pd.concat([alike.assign(model="transfer")[fixed.columns], fixed], ignore_index=True)
