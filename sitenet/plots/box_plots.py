"""Box plots of several arms side by side, with all measurements as points."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from sitenet.plots import style

Float = NDArray[np.float64]

GROUP_WIDTH = 0.84  # fraction of the spacing of groups
BOX_SHARE = 0.82  # fraction of the width of an arm
ROOM = 0.08  # margin at the ends of the axis, as a fraction of the range


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
) -> None:
    """Draw boxes of quartiles and medians, with whiskers to the last value within 1.5 box heights.

    `limits` of the y axis default to those of this panel; `log` makes it logarithmic. Values above
    the axis are drawn as triangles at its upper edge.
    """
    groups, found = boxes.groups, boxes.found()
    low, high = limits or common_limits([boxes], log)
    if log:
        axes.set_yscale("log")
        style.plain_ticks(axes.yaxis)
    width = GROUP_WIDTH / len(boxes.arms)
    random = np.random.default_rng(0)
    for g, group in enumerate(groups):
        for a, (name, arm) in enumerate(boxes.arms.items()):
            if (group, name) not in found:
                continue
            x = g + (a - (len(boxes.arms) - 1) / 2) * width
            values = found[group, name]
            _box(axes, x, width * BOX_SHARE, values, arm.colour)
            _points(axes, x, width * BOX_SHARE, values, high, arm.colour, random)
            if mark := boxes.marks.get((group, name)):
                top = min(_whiskers(values)[1], high)
                axes.annotate(mark, (x, top), (0, 2), textcoords="offset points", ha="center",
                              va="bottom", fontsize=7)  # fmt: skip
    axes.set_xticks(
        range(len(groups)), [f"{g:,}" if isinstance(g, int) else str(g) for g in groups]
    )
    axes.set_xlim(-0.5, len(groups) - 0.5)
    axes.set_ylim(low, high)


def common_limits(panels: Iterable[Boxes], log: bool = False) -> tuple[float, float]:
    """Common limits of several panels: from the smallest value to the end of the highest whisker.

    There is a margin at both ends. A logarithmic axis requires positive values.
    """
    values = [v for panel in panels for v in panel.found().values()]
    low, high = min(v.min() for v in values), max(_whiskers(v)[1] for v in values)
    if log:
        room = (high / low) ** ROOM if high > low else 1 + ROOM
        return low / room, high * room**1.5
    room = ROOM * (high - low or abs(high) or 1.0)
    return low - room, high + 1.5 * room


def add_legend(figure: Figure, arms: Mapping[str, Arm]) -> None:
    """Draw a legend of the arms above all panels."""
    handles = [Patch(facecolor=_pale(a.colour), edgecolor=a.colour, label=a.label)
               for a in arms.values()]  # fmt: skip
    figure.legend(handles=handles, loc="outside upper center", ncols=min(len(handles), 4))


def stars(comparisons: pd.DataFrame, keys: Sequence[str], level: float = 0.05) -> dict:
    """Marks for `Boxes` from rows of `sitenet.analysis.paired_tests.compare`.

    "*" where an arm is lower than the control with a corrected p below `level`, by the columns
    `keys` (group, arm).
    """
    better = comparisons[(comparisons.p_holm < level) & (comparisons.median_difference < 0)]
    return {tuple(row): "*" for row in better[list(keys)].itertuples(index=False)}


def _whiskers(values: Float) -> tuple[float, float]:
    low, high = np.percentile(values, [25, 75])
    reach = 1.5 * (high - low)
    inside = values[(values >= low - reach) & (values <= high + reach)]
    return float(inside.min()), float(inside.max())


def _box(axes: Axes, x: float, width: float, values: Float, colour: str) -> None:
    line = {"color": colour, "linewidth": 0.8}
    axes.boxplot(
        values,
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


def _points(axes: Axes, x: float, width: float, values: Float, high: float, colour: str,
            random: np.random.Generator) -> None:  # fmt: skip
    place = x + 0.35 * width * random.uniform(-1, 1, len(values))
    beyond = values > high
    axes.scatter(place[~beyond], values[~beyond], s=3, color=colour, alpha=0.55, linewidths=0,
                 zorder=3)  # fmt: skip
    axes.scatter(place[beyond], np.full(beyond.sum(), high), s=9, marker="^", color=colour,
                 linewidths=0, clip_on=False, zorder=3)  # fmt: skip


def _pale(colour: str) -> tuple[float, float, float]:
    """A lighter tone of a colour."""
    red, green, blue = to_rgb(colour)
    return 1 - 0.3 * (1 - red), 1 - 0.3 * (1 - green), 1 - 0.3 * (1 - blue)
