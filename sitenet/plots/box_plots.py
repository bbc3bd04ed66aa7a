"""Box plots of several arms side by side, with all measurements as points."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from sitenet.plots import fitting, style

Float = NDArray[np.float64]

GROUP_WIDTH = 0.84  # fraction of the spacing of groups
BOX_SHARE = 0.82  # fraction of the width of an arm
ROOM = 0.08  # margin at the ends of the axis, as a fraction of the range
LEVEL = 0.05
"""Corrected p below which an arm is marked as better than the control."""

FAILED = 4.0
"""An axis ends at the latest at this multiple of the best arm's median: errors above are failures,
and would press all others into a line."""


@dataclass(frozen=True)
class Arm:
    """Label and colour of an arm."""

    label: str
    colour: str


@dataclass(frozen=True)
class Boxes:
    """The content of one panel.

    table: a row for each measurement.
    group, arm, value: columns of `table`; groups are on the x axis in order of appearance.
    arms: arms from left to right.
    marks: text above a box, by group and arm.
    """

    table: pd.DataFrame
    group: str
    arm: str
    value: str
    arms: Mapping[str, Arm]
    marks: Mapping[tuple[object, str], str] = field(default_factory=dict)

    @property
    def groups(self) -> list:
        """Groups along the x axis."""
        return self.table[self.group].unique().tolist()

    def found(self) -> dict[tuple[object, object], Float]:
        """Measurements of each box, by group and arm."""
        chosen = self.table.groupby([self.group, self.arm], sort=False)[self.value]
        return {(g, a): values.to_numpy() for (g, a), values in chosen if a in self.arms}


def draw_boxes(
    axes: Axes, boxes: Boxes, limits: tuple[float, float] | None = None, log: bool = False
) -> int:
    """Draw boxes of quartiles and medians, with whiskers to the last value within 1.5 box heights.

    `limits` of the y axis default to those of this panel; `log` makes it logarithmic. Values above
    the axis are told by a triangle at its upper edge, with their number below it. Returns the
    number of values above the axis.
    """
    groups, found = boxes.groups, boxes.found()
    low, high = limits or common_limits([boxes], log)
    if log:
        axes.set_yscale("log")
    axes.set_ylim(low, high)
    if log:
        style.plain_ticks(axes.yaxis)
    width = GROUP_WIDTH / len(boxes.arms)
    random = np.random.default_rng(0)
    beyond = 0
    for g, group in enumerate(groups):
        for a, (name, arm) in enumerate(boxes.arms.items()):
            if (group, name) not in found:
                continue
            x = g + (a - (len(boxes.arms) - 1) / 2) * width
            values = found[group, name]
            _box(axes, x, width * BOX_SHARE, values, arm.colour)
            _points(axes, x, width * BOX_SHARE, values[values <= high], arm.colour, random)
            mark = boxes.marks.get((group, name), "")
            if above := int((values > high).sum()):
                _above(axes, x, f"{above}{mark}", arm.colour, line=a % 2)
            elif mark:
                axes.annotate(mark, (x, _whiskers(values)[1]), (0, 2), textcoords="offset points",
                              ha="center", va="bottom", fontsize=7)  # fmt: skip
            beyond += above
    axes.set_xticks(
        range(len(groups)), [f"{g:,}" if isinstance(g, int) else str(g) for g in groups]
    )
    axes.set_xlim(-0.5, max(1, len(groups)) - 0.5)
    return beyond


def common_limits(
    panels: Iterable[Boxes], log: bool = False, may_fail: Iterable[Boxes] = ()
) -> tuple[float, float]:
    """Common limits of panels: from the smallest value to the end of the highest whisker.

    The axis ends earlier where an arm fails (`FAILED`). Panels in `may_fail` do not extend it
    upwards. There is a margin at both ends. A logarithmic axis requires positive values.
    """
    panels, may_fail = list(panels), list(may_fail)
    found = [panel.found() for panel in panels]
    values = [v for one in found for v in one.values()]
    low = min(v.min() for v in [*values, *(v for p in may_fail for v in p.found().values())])
    best: dict[tuple[int, object], float] = {}
    for k, one in enumerate(found):
        for (group, _), v in one.items():
            best[k, group] = min(float(np.median(v)), best.get((k, group), np.inf))
    high = min(max(_whiskers(v)[1] for v in values), FAILED * max(best.values()))
    high = max(low, high)
    if log:
        room = (high / low) ** ROOM if high > low else 1 + ROOM
        return low / room, high * room**1.5
    room = ROOM * (high - low or abs(high) or 1.0)
    return low - room, high + 1.5 * room


def add_legend(
    figure: Figure, arms: Mapping[str, Arm], point: str, marks: str = "", beyond: int = 0
) -> None:
    """Draw a legend of the arms above all panels.

    point: what each point is. marks: meaning of the stars, if there are any. beyond: number of
    values above the axes.
    """
    handles: list[Patch | Line2D] = [
        Patch(facecolor=_pale(a.colour), edgecolor=a.colour, label=a.label) for a in arms.values()
    ]
    dark: dict[str, Any] = {"color": style.BLACK, "linestyle": "", "markeredgewidth": 0}
    handles.append(Line2D([], [], color=style.BLACK, label="median"))
    grey = {**dark, "color": style.GREY}
    handles.append(Line2D([], [], marker="o", markersize=2, label=point, **grey))
    if marks:
        handles.append(Line2D([], [], marker="$*$", markersize=4, label=marks, **dark))
    if beyond:
        label = "above the axis: how many"
        handles.append(Line2D([], [], marker="^", markersize=4, label=label, **dark))
    fitting.legend(figure, handles, "upper center")


def stars(comparisons: pd.DataFrame, keys: Sequence[str]) -> dict:
    """Marks for `Boxes` from rows of `sitenet.analysis.paired_tests.compare`.

    "*" where an arm is lower than the control with a corrected p below `LEVEL`, by the columns
    `keys` (group, arm).
    """
    better = comparisons[(comparisons.p_holm < LEVEL) & (comparisons.median_difference < 0)]
    return {tuple(row): "*" for row in better[list(keys)].itertuples(index=False)}


def _whiskers(values: Float) -> tuple[float, float]:
    low, high = np.percentile(values, [25, 75])
    reach = 1.5 * (high - low)
    inside = values[(values >= low - reach) & (values <= high + reach)]
    return float(inside.min()), float(inside.max())


def _box(axes: Axes, x: float, width: float, values: Float, colour: str) -> None:
    """A box; what is far above the axis is cut there, as a page holds no numbers of any size."""
    low, high = axes.get_ylim()
    top = high**2 / low if axes.get_yscale() == "log" else 2 * high - low
    q1, median, q3 = np.percentile(values, [25, 50, 75])
    ends = _whiskers(values)
    names = ("whislo", "q1", "med", "q3", "whishi")
    cut = np.minimum([ends[0], q1, median, q3, ends[1]], top)
    line = {"color": colour, "linewidth": 0.8}
    axes.bxp(
        [dict(zip(names, cut.tolist(), strict=True))],
        positions=[x],
        widths=width,
        showfliers=False,
        patch_artist=True,
        manage_ticks=False,
        boxprops={"facecolor": _pale(colour), "edgecolor": colour, "linewidth": 0.8},
        medianprops={"color": style.BLACK, "linewidth": 1.2},
        whiskerprops=line,
        capprops=line,
    )


def _points(
    axes: Axes, x: float, width: float, values: Float, colour: str, random: np.random.Generator
) -> None:
    place = x + 0.35 * width * random.uniform(-1, 1, len(values))
    axes.scatter(place, values, s=3, color=colour, alpha=0.55, linewidths=0, zorder=3)


def _above(axes: Axes, x: float, text: str, colour: str, line: int) -> None:
    """Mark values above the axis, with `text` in one of two lines, so that two do not touch."""
    high = axes.get_ylim()[1]
    axes.plot(x, high, "^", color=colour, markersize=4, markeredgewidth=0, clip_on=False, zorder=4)
    axes.annotate(text, (x, high), (0, -3 - 7 * line), textcoords="offset points",
                  ha="center", va="top", fontsize=6, zorder=4,
                  bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none",
                        "alpha": 0.8})  # fmt: skip


def _pale(colour: str) -> tuple[float, float, float]:
    """A lighter tone of a colour."""
    red, green, blue = to_rgb(colour)
    return 1 - 0.3 * (1 - red), 1 - 0.3 * (1 - green), 1 - 0.3 * (1 - blue)
