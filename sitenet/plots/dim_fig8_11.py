"""Figures 8 and 11 of doi:10.1039/d4dd00202d: errors of simple models on representations."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from sitenet.analysis.paired_tests import compare
from sitenet.evaluate.rounding import in_brackets
from sitenet.plots import box_plots, style
from sitenet.tables import read_table, write_table

ROW_HEIGHT = 6.2  # cm
MODELS = {"linear": "linear, no penalty", "ridge": "ridge regression", "mlp": "neural network"}
UNPENALISED = "linear"
ARMS = {
    "infomax": box_plots.Arm("Deep InfoMax", style.BLUE),
    "without_synthetic": box_plots.Arm("without synthetic falses", style.PURPLE),
    "untrained": box_plots.Arm("untrained", style.GREY),
    "ofm": box_plots.Arm("orbital field matrix", style.ORANGE),
    "xrd": box_plots.Arm("powder diffraction", style.GREEN),
}


@style.styled
def draw_dim_fig8_11(
    experiments: Sequence[tuple[str, str, Sequence[Path]]],
    control: str,
    pdf: Path,
    data: Path,
    table: Path,
) -> None:
    """Draw box plots of the test errors of all masks: rows are experiments, columns are models.

    Panels of a row have one axis, whose end is not set by regression without penalty. Stars mark
    arms that are better than the control (signed-rank test over the masks, with Holm's correction
    for all comparisons of an experiment).

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
    height = style.row_height(len(experiments), ROW_HEIGHT, 4.0)
    figure = style.new_figure(style.DOUBLE, height * len(experiments) + 0.8)
    axes = figure.subplots(len(experiments), len(MODELS), squeeze=False, sharey="row")
    beyond, marks = 0, False
    for row, (title, unit, _) in enumerate(experiments):
        panels = representation_panels(errors[row], compared[row], arms)
        limits = representation_limits(panels)
        for axis, (model, panel) in zip(axes[row], panels.items(), strict=True):
            beyond += box_plots.draw_boxes(axis, panel, limits)
            axis.set(xlabel="labels", title=MODELS[model])
            marks |= bool(panel.marks)
        axes[row, 0].set_ylabel(in_brackets(f"{title}\ntest MAE", unit))
    style.letter(axes.flat)
    meaning = f"better than {ARMS[control].label} (p < {box_plots.LEVEL:g})" if marks else ""
    box_plots.add_legend(figure, arms, "one selection of labels", meaning, beyond)
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


def representation_panels(
    errors: pd.DataFrame, compared: pd.DataFrame, arms: Mapping[str, box_plots.Arm]
) -> dict[str, box_plots.Boxes]:
    """Box plots of one experiment, by model."""
    return {
        model: box_plots.Boxes(
            errors[errors.model == model],
            group="labels",
            arm="representation",
            value="test_mae",
            arms=arms,
            marks=box_plots.stars(compared[compared.model == model], ["labels", "representation"]),
        )
        for model in MODELS
    }


def representation_limits(
    panels: Mapping[str, box_plots.Boxes],
    others: Sequence[box_plots.Boxes] = (),
    log: bool = False,
) -> tuple[float, float]:
    """Common limits of the panels of an experiment and of `others`."""
    steady = [panel for model, panel in panels.items() if model != UNPENALISED]
    return box_plots.common_limits([*steady, *others], log, may_fail=[panels[UNPENALISED]])
