"""Figures 13 and S1 of doi:10.1039/d4dd00202d: transfer beside fixed representations."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_lowercase

import pandas as pd

from sitenet.plots import box_plots, dim_fig7, dim_fig8_11, style
from sitenet.tables import write_table

PANEL_HEIGHT = 6.0  # cm
CONTROL = "untrained"
HEADINGS = ("trained further", *(f"fixed, {name}" for name in dim_fig8_11.MODELS.values()))
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

    The axes are logarithmic, as errors of linear regressions on few labels can be large. Stars mark
    arms that are better than the control of their panel, as in figures 7 and 8.

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
    figure = style.new_figure(style.DOUBLE, PANEL_HEIGHT * len(rows) + 0.8)
    axes = figure.subplots(len(rows), len(HEADINGS), squeeze=False, sharey="row")
    shown = set()
    for line, row in zip(axes, rows, strict=True):
        panels, left_out = zip(*_panels(row), strict=True)
        limits = box_plots.common_limits(panels, log=True)
        for axis, panel, off, heading in zip(line, panels, left_out, HEADINGS, strict=True):
            box_plots.draw_boxes(axis, panel, limits, log=True)
            axis.set(title=heading, xlabel="labels")
            if off:
                style.note(axis, "\n".join(["off the scale:", *off]), "upper right")
            shown |= {ARMS[str(name)] for _, name in panel.found()}
        line[0].set_ylabel(f"{row.title}: test MAE ({row.unit})")
    for axis, name in zip(axes.flat, ascii_lowercase, strict=False):
        style.letter(axis, name)
    box_plots.add_legend(figure, {arm.label: arm for arm in ARMS.values() if arm in shown})
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


def _panels(row: _Row) -> list[tuple[box_plots.Boxes, list[str]]]:
    """Box plots of the panels of a row, and the arms left out, in the order of HEADINGS."""
    present = set(row.fixed.representation)
    arms = {name: arm for name, arm in dim_fig8_11.ARMS.items() if name in present}
    return [
        (dim_fig7.transfer_panel(row.transfer, row.transfer_compared), []),
        *(
            dim_fig8_11.representation_panel(row.fixed, row.fixed_compared, arms, model, CONTROL)
            for model in dim_fig8_11.MODELS
        ),
    ]


def _stacked(transfer: pd.DataFrame, fixed: pd.DataFrame) -> pd.DataFrame:
    """Both tables joined, with the columns of the table of fixed representations."""
    alike = transfer.rename(columns={"arm": "representation", "seed": "mask"})
    return pd.concat([alike.assign(model="transfer")[fixed.columns], fixed], ignore_index=True)
