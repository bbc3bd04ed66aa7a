"""Figures 9 and 10 of doi:10.1039/d4dd00202d: t-SNE maps of representations."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.lines import Line2D

from sitenet.evaluate.rounding import in_brackets
from sitenet.plots import fitting, style
from sitenet.tables import read_table, write_table

PANEL = 7.4  # cm
COLUMNS = {"infomax": "Deep InfoMax", "untrained": "untrained"}
CLASSES = {False: ("other crystals", style.GREY), True: ("halogen and metal", style.VERMILLION)}
MINUS = "\N{MINUS SIGN}"
EXTREMES = (1, 99)
"""Percentiles of a property at the ends of its colour scale."""


@dataclass(frozen=True)
class MapRow:
    """Title of an experiment, and its maps and scores from `write_map`, in order of `COLUMNS`."""

    title: str
    maps: Sequence[Path]
    scores: Sequence[Path]


@dataclass(frozen=True)
class PropertyRow:
    """Title of an experiment, name and unit of its property, and its maps in order of `COLUMNS`."""

    title: str
    label: str
    unit: str
    maps: Sequence[Path]


@style.styled
def draw_dim_fig9(rows: Sequence[MapRow], pdf: Path, data: Path, table: Path) -> None:
    """Draw figure 9: maps with compounds of a halogen and a metal, and their silhouette.

    Experiments with equal maps share a row. Writes `pdf`, a PNG next to it, `data` (Parquet): all
    points, and `table` (CSV): all silhouettes.
    """
    points = [_by_representation(map(read_table, row.maps)) for row in rows]
    scores = [_by_representation(map(pd.read_csv, row.scores)) for row in rows]
    distinct = _distinct(points)
    height = style.row_height(len(distinct), PANEL, 4.0)
    figure = style.new_figure(style.DOUBLE, height * len(distinct) + 0.6)
    axes = figure.subplots(len(distinct), len(COLUMNS), squeeze=False)
    for line, members in zip(axes, distinct, strict=True):
        for axis, (name, heading) in zip(line, COLUMNS.items(), strict=True):
            one, score = (t[members[0]] for t in (points, scores))
            _classes(axis, one[one.representation == name])
            found = score[score.representation == name].set_index("space").silhouette
            axis.set_title(f"{heading}: silhouette {_told(found)}")
        _frame(line, " and ".join(rows[k].title for k in members))
    handles = [Line2D([], [], marker="o", linestyle="", markersize=4, color=colour, label=label)
               for label, colour in CLASSES.values()]  # fmt: skip
    fitting.legend(figure, handles, "upper center")
    style.letter(axes.flat)
    style.save(figure, pdf)
    write_table(data, style.of_runs([row.title for row in rows], points))
    write_table(table, style.of_runs([row.title for row in rows], scores))


@style.styled
def draw_dim_fig10(rows: Sequence[PropertyRow], pdf: Path, data: Path) -> None:
    """Draw figure 10: maps coloured by the property. Writes `pdf`, a PNG and `data` (Parquet)."""
    points = [_by_representation(map(read_table, row.maps)) for row in rows]
    height = style.row_height(len(rows), PANEL, 4.0)
    figure = style.new_figure(style.DOUBLE, height * len(rows))
    axes = figure.subplots(len(rows), len(COLUMNS), squeeze=False)
    for line, row, one in zip(axes, rows, points, strict=True):
        norm = _colours(one.target.to_numpy())
        for axis, (name, heading) in zip(line, COLUMNS.items(), strict=True):
            _scatter(axis, one[one.representation == name], norm)
            axis.set_title(heading)
        _frame(line, row.title)
        figure.colorbar(ScalarMappable(norm), ax=line, label=in_brackets(row.label, row.unit),
                        extend="both", pad=0.015)  # fmt: skip
    style.letter(axes.flat)
    style.save(figure, pdf)
    write_table(data, style.of_runs([row.title for row in rows], points))


def _by_representation(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    named = [t.assign(representation=name) for name, t in zip(COLUMNS, tables, strict=True)]
    joined = pd.concat(named, ignore_index=True)
    return joined[["representation", *joined.columns.drop("representation")]]


def _distinct(points: Sequence[pd.DataFrame]) -> list[list[int]]:
    """Indices of the experiments, grouped by equal maps."""
    found: list[list[int]] = []
    for k, table in enumerate(points):
        place = table.drop(columns="target")
        same = next((m for m in found if points[m[0]].drop(columns="target").equals(place)), None)
        if same is None:
            found.append([k])
        else:
            same.append(k)
    return found


def _classes(axes: Axes, points: pd.DataFrame) -> None:
    for value, (_, colour) in CLASSES.items():
        of_class = points[points.halogen_metal == value]
        axes.scatter(of_class.x, of_class.y, s=_size(points), color=colour, linewidths=0,
                     alpha=0.7, rasterized=True)  # fmt: skip


def _scatter(axes: Axes, points: pd.DataFrame, norm: Normalize) -> None:
    axes.scatter(points.x, points.y, c=points.target, norm=norm, s=_size(points), linewidths=0,
                 rasterized=True)  # fmt: skip


def _size(points: pd.DataFrame) -> float:
    """Area of a marker in square points, which decreases with the number of points."""
    return float(np.clip(4000 / max(1, len(points)), 1.5, 10))


def _told(silhouette: "pd.Series[float]") -> str:
    """Silhouettes of the representation and of the map; there are none if a class is missing."""
    if silhouette.isna().any():
        return "not defined"
    return f"{silhouette['z']:.2f} (map {silhouette['map']:.2f})".replace("-", MINUS)


def _colours(target: style.Float) -> Normalize:
    """Colour scale of a property, of some width also if all values are equal."""
    if not len(target):
        return Normalize(0.0, 1.0)
    low, high = np.percentile(target, EXTREMES)
    room = 0.0 if high > low else 0.01 * abs(low) or 1.0
    return Normalize(low - room, high + room)


def _frame(line: np.ndarray, title: str) -> None:
    """Axes of the maps of a row, whose coordinates have no unit."""
    for axis in line:
        axis.set(xticks=[], yticks=[], xlabel="t-SNE 1", ylabel="t-SNE 2")
        axis.margins(0.04)
    line[0].set_ylabel(f"{title}\nt-SNE 2")
