"""Common style of all figures, and how they are written."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, NullLocator, StrMethodFormatter
from numpy.typing import NDArray

from sitenet.files import atomic_path

Float = NDArray[np.float64]

SINGLE, DOUBLE = 8.3, 17.0
"""Widths of one and two columns of a journal page in cm."""

BLUE, ORANGE, GREEN, VERMILLION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, BLACK, GREY = "#CC79A7", "#56B4E9", "#000000", "#7F7F7F"
"""Colours that colour-blind readers can distinguish (M. Okabe, K. Ito 2008)."""

RULE_STYLES = {"optimal": (BLUE, "optimal (here)"), "greedy": (VERMILLION, "published code")}
"""Colour and legend of each supercell rule."""

DENSITY = "viridis"

styled = mpl.rc_context(
    {
        "font.family": "DejaVu Sans",  # included in matplotlib: figures are the same everywhere
        "font.size": 8,
        "axes.titlesize": 8,
        "axes.labelsize": 8,
        "xtick.labelsize": 7,
        "ytick.labelsize": 7,
        "legend.fontsize": 7,
        "legend.frameon": False,
        "mathtext.default": "regular",
        "axes.linewidth": 0.6,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "lines.linewidth": 1.2,
        "axes.prop_cycle": cycler(color=[BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, BLACK]),
        "image.cmap": DENSITY,
        "pdf.fonttype": 42,  # TrueType: text stays text
        "savefig.dpi": 300,
    }
)
"""Decorator of the functions that draw figures."""


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of `width` x `height` cm whose parts do not overlap."""
    return Figure(figsize=(width / 2.54, height / 2.54), layout="constrained")


def save(figure: Figure, pdf: Path) -> None:
    """Write `figure` as vector PDF and, next to it, as PNG with 300 dpi.

    Files are written atomically, and their bytes are reproducible.
    """
    with atomic_path(pdf) as temporary:
        figure.savefig(temporary, format="pdf", metadata={"CreationDate": None})
    with atomic_path(Path(pdf).with_suffix(".png")) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})


def of_runs(titles: Sequence[str], tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Tables of several runs joined to one, with their titles in the first column, `run`."""
    named = [t.assign(run=title) for title, t in zip(titles, tables, strict=True)]
    joined = pd.concat(named, ignore_index=True)
    return joined[["run", *joined.columns.drop("run")]]


def density(
    axes: Axes, x: Float, y: Float, x_edges: Float, y_edges: Float, norm: LogNorm | None = None
) -> QuadMesh:
    """Draw a 2-d histogram of (x, y) with counts as colours on a log scale; returns the mesh."""
    counts = np.histogram2d(x, y, bins=[x_edges, y_edges])[0].T
    norm = norm or LogNorm(1, max(2.0, counts.max()))
    shown = np.ma.masked_equal(counts, 0)
    return axes.pcolormesh(x_edges, y_edges, shown, norm=norm, rasterized=True)


def count_bar(figure: Figure, mesh: QuadMesh, axes: Any, label: str) -> None:
    """Draw the colour bar of a density next to `axes` (one or several)."""
    bar = figure.colorbar(mesh, ax=axes, label=label, pad=0.015)
    plain_ticks(bar.ax.yaxis)


def plain_ticks(axis: Axis) -> None:
    """Set ticks of a logarithmic axis at 1, 2, 5, 10, ..., without exponents."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(StrMethodFormatter("{x:,.10g}"))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def from_zero(values: Sequence[Float], room: float = 0) -> tuple[float, float]:
    """Limits of an axis from zero (or the smallest value) to the next integer above all `values`.

    `room`: fraction of the range that is added above the values, for a note.
    """
    everything = np.concatenate(values)
    return float(min(0, np.floor(everything.min()))), float(
        max(1, np.ceil((1 + room) * everything.max()))
    )


def letter(axes: Axes, text: str) -> None:
    """Label a panel (a), (b), ... above its left edge."""
    axes.set_title(f"({text})", loc="left", fontweight="bold")


def note(axes: Axes, text: str, corner: str = "upper left") -> None:
    """Write a note in a corner of a panel; hyphens become minus signs."""
    vertical, horizontal = corner.split()
    axes.text(
        0.03 if horizontal == "left" else 0.97,
        0.97 if vertical == "upper" else 0.03,
        text.replace("-", "−"),
        transform=axes.transAxes,
        ha=horizontal,
        va="top" if vertical == "upper" else "bottom",
        fontsize=7,
        linespacing=1.3,
        bbox={"boxstyle": "round,pad=0.25", "facecolor": "white", "edgecolor": "none",
              "alpha": 0.8},
    )  # fmt: skip
