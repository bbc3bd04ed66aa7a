"""Figures 8 and 11 of doi:10.1039/d4dd00202d: errors of simple models on representations."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from string import ascii_lowercase

import pandas as pd

from sitenet.analysis.paired_tests import compare
from sitenet.plots import box_plots, style
from sitenet.tables import read_table, write_table

PANEL_HEIGHT = 6.2  # cm
MODELS = {"linear": "linear regression", "mlp": "neural network"}
ARMS = {
    "infomax": box_plots.Arm("Deep InfoMax", style.BLUE),
    "without_synthetic": box_plots.Arm("without synthetic falses", style.PURPLE),
    "untrained": box_plots.Arm("untrained", style.GREY),
    "ofm": box_plots.Arm("orbital field matrix", style.ORANGE),
    "xrd": box_plots.Arm("powder diffraction", style.GREEN),
}
OFF_SCALE = 3.0
"""Descriptors whose median error exceeds the control's by this factor are left out of a panel."""


@style.styled
def draw_dim_fig8_11(
    experiments: Sequence[tuple[str, str, Sequence[Path]]],
    control: str,
    pdf: Path,
    data: Path,
    table: Path,
) -> None:
    """Draw box plots of the test errors of all masks: rows are experiments, columns are models.

    Stars mark arms that are better than the control (signed-rank test over the masks, with Holm's
    correction for all comparisons of an experiment).

    Args:
        experiments: title, unit of the label, and tables of
            `evaluate.representation.write_representation_errors`.
        control: the representation to which the others are compared.
        pdf: figure to write, with a PNG next to it.
        data: Parquet file to write: all errors.
        table: CSV file to write: medians, quartiles and comparisons.
    """
    errors = [pd.concat(map(read_table, paths)) for *_, paths in experiments]
    compared = [against_control(e, control) for e in errors]
    arms = {name: ARMS[name] for name in ARMS if any((e.representation == name).any()
                                                     for e in errors)}  # fmt: skip
    figure = style.new_figure(style.DOUBLE, PANEL_HEIGHT * len(experiments) + 0.8)
    axes = figure.subplots(len(experiments), len(MODELS), squeeze=False)
    for row, (title, unit, _) in enumerate(experiments):
        for axis, (model, heading) in zip(axes[row], MODELS.items(), strict=True):
            shown, off = representation_panel(errors[row], compared[row], arms, model, control)
            box_plots.draw_boxes(axis, shown)
            axis.set_xlabel("labels" + (f" (off the scale: {', '.join(off)})" if off else ""))
            axis.set_title(f"{title}, {heading}")
        axes[row, 0].set_ylabel(f"test MAE ({unit})")
    for axis, name in zip(axes.flat, ascii_lowercase, strict=False):
        style.letter(axis, name)
    box_plots.add_legend(figure, arms)
    style.save(figure, pdf)
    titles = [title for title, *_ in experiments]
    with_unit = [c.assign(unit=unit) for c, (_, unit, _) in zip(compared, experiments, strict=True)]
    write_table(data, style.of_runs(titles, errors))
    write_table(table, style.of_runs(titles, with_unit))


def against_control(errors: pd.DataFrame, control: str) -> pd.DataFrame:
    """Comparison of every representation with the control, by model and number of labels."""
    return compare(
        errors,
        by=["model", "labels"],
        arm="representation",
        control=control,
        pairs="mask",
        value="test_mae",
    )


def representation_panel(
    errors: pd.DataFrame,
    compared: pd.DataFrame,
    arms: Mapping[str, box_plots.Arm],
    model: str,
    control: str,
) -> tuple[box_plots.Boxes, list[str]]:
    """Box plot of one model, and labels of the arms left out because of their large errors."""
    mine = compared[compared.model == model]
    off = off_scale(mine, control)
    shown = box_plots.Boxes(
        errors[errors.model == model],
        group="labels",
        arm="representation",
        value="test_mae",
        arms={name: arm for name, arm in arms.items() if name not in off},
        marks=box_plots.stars(mine, ["labels", "representation"]),
    )
    return shown, [arms[name].label for name in off]


def off_scale(compared: pd.DataFrame, control: str) -> list[str]:
    """Arms whose median error exceeds OFF_SCALE times the control's for some number of labels."""
    medians = compared.pivot(index="labels", columns="representation", values="median")
    ratio = medians.div(medians[control], axis=0).max()
    return [name for name in ARMS if name in ratio and ratio[name] > OFF_SCALE]
