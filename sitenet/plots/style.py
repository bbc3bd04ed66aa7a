"""Common style of all figures, and how they are written."""

from collections.abc import Iterable, Sequence
from itertools import count, product
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import (
    LogLocator,
    MaxNLocator,
    NullFormatter,
    NullLocator,
    StrMethodFormatter,
)
from matplotlib.transforms import blended_transform_factory
from numpy.typing import NDArray

from sitenet.files import atomic_path
from sitenet.plots.fitting import LETTER, NOTE, fit_texts

Float = NDArray[np.float64]

SINGLE, DOUBLE = 8.3, 17.0
"""Widths of one and two columns of a journal page in cm."""

PAGE = 23.0  # cm, height of a page; figures of many panels grow beyond it

BLUE, ORANGE, GREEN, VERMILLION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, BLACK, GREY = "#CC79A7", "#56B4E9", "#000000", "#7F7F7F"
DARK = "#555555"  # grey that is dark enough for text
"""Colours that colour-blind readers can distinguish (M. Okabe, K. Ito 2008)."""

RULE_STYLES = {"optimal": (BLUE, "optimal (here)"), "greedy": (VERMILLION, "published code")}
"""Colour and legend of each supercell rule."""

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
        "image.cmap": "viridis",
        "pdf.fonttype": 42,  # TrueType: text stays text
        "savefig.dpi": 300,
    }
)
"""Decorator of the functions that draw figures."""


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of `width` x `height` cm whose parts do not overlap."""
    return Figure(figsize=(width / 2.54, height / 2.54), layout="constrained")


def row_height(rows: int, best: float, least: float) -> float:
    """Height in cm of each of `rows` rows of panels: `best`, or less where they fill a page."""
    return min(best, max(least, (PAGE - 1.5) / max(1, rows)))


def save(figure: Figure, pdf: Path) -> None:
    """Write `figure` as vector PDF and, next to it, as PNG with 300 dpi.

    Texts that are too long are fitted. Files are written atomically, and their bytes are
    reproducible.
    """
    fit_texts(figure)
    with atomic_path(pdf) as temporary:
        figure.savefig(temporary, format="pdf", metadata={"CreationDate": None})
    with atomic_path(Path(pdf).with_suffix(".png")) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})


def of_runs(titles: Sequence[str], tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Tables of several runs joined to one, with their titles in the first column, `run`."""
    named = [t.assign(run=title) for title, t in zip(titles, tables, strict=True)]
    joined = pd.concat(named, ignore_index=True)
    return joined[["run", *joined.columns.drop("run")]]


def plain_ticks(axis: Axis) -> None:
    """Set ticks of a logarithmic axis, whose limits are final, at 1, 2, 5, 10, ..., no exponents.

    Axes too short for two of these have evenly spaced ticks.
    """
    low, high = sorted(axis.get_view_interval())
    decades = 10.0 ** np.arange(np.floor(np.log10(low)), np.log10(high) + 1)
    round_numbers = np.outer(decades, (1, 2, 5)).ravel()
    few = ((low <= round_numbers) & (round_numbers <= high)).sum() < 2
    axis.set_major_locator(MaxNLocator(5) if few else LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(StrMethodFormatter("{x:,.10g}"))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def from_zero(values: Sequence[Float], room: float = 0) -> tuple[float, float]:
    """Limits of an axis from zero (or the smallest value) to the next integer above all `values`.

    `room`: fraction of the range that is added above the values, for a note.
    """
    everything = np.concatenate([*values, [0.0]])
    return float(np.floor(everything.min())), float(max(1, np.ceil((1 + room) * everything.max())))


def letter(panels: Iterable[Axes]) -> None:
    """Label panels (a), (b), ..., (z), (aa), ... above their left edges."""
    names = ("".join(name) for size in count(1) for name in product(ascii_lowercase, repeat=size))
    for axes, name in zip(panels, names, strict=False):
        axes.set_title(f"({name})", loc="left", fontweight="bold").set_gid(LETTER)


def empty(axes: Axes, reason: str) -> None:
    """Say in a panel why it shows nothing."""
    axes.text(0.5, 0.5, reason, transform=axes.transAxes, ha="center", va="center", color=GREY)
    axes.set(xticks=[], yticks=[])


def marked(axes: Axes, place: float, text: str, upright: bool = False, top: float = 1.0) -> None:
    """Draw a dashed line at `place`, which must be within the axis, and write `text` beside it.

    Horizontal, with the text at its right end; `upright`: up to the fraction `top` of the height,
    with the text at its upper end, on the side with more room.
    """
    look: dict[str, Any] = {"color": GREY, "linestyle": "--", "linewidth": 0.8, "zorder": 1.5}
    if upright:
        axes.axvline(place, ymax=top, **look)
        right = place > np.mean(axes.get_xlim())
        at: dict[str, Any] = {"ha": "right" if right else "left", "va": "top"}
        x, y = place, top - 0.03
        text = "\n".join(f"{line} " if right else f" {line}" for line in text.split("\n"))
        transform = blended_transform_factory(axes.transData, axes.transAxes)
    else:
        axes.axhline(place, **look)
        at = {"ha": "right", "va": "bottom"}
        x, y = 0.985, place
        transform = blended_transform_factory(axes.transAxes, axes.transData)
    pale = {"boxstyle": "square,pad=0", "facecolor": "white", "edgecolor": "none", "alpha": 0.6}
    axes.annotate(text, (x, y), (0, 0 if upright else 2), transform, "offset points",
                  fontsize=7, color=DARK, bbox=pale, **at)  # fmt: skip


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
        gid=NOTE,
    )  # fmt: skip
