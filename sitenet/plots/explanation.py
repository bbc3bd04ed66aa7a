"""The attention of one site of a crystal in each head of the last block."""

from collections.abc import Sequence
from math import ceil, floor, log10
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from sitenet.analysis.distance_ranges import FAR
from sitenet.analysis.explanation import Explanation, class_elements, site_names
from sitenet.analysis.surroundings import Surroundings, attention_to, surroundings
from sitenet.evaluate.rounding import after_number, readable
from sitenet.plots import fitting, style

ROW_HEIGHT = 5.8  # cm
HALF = 0.5  # share of the attention that is drawn as lines
WIDEST = 3.0  # pt, line to the atom with the largest attention
LOWEST = 1e-6
MINUS = "\N{MINUS SIGN}"
COLOURS = [style.BLUE, style.VERMILLION, style.GREEN, style.ORANGE, style.PURPLE, style.SKY,
           style.BLACK, style.GREY]  # fmt: skip
TURN, TILT = np.radians(28.0), np.radians(14.0)
"""Viewing direction, along which few lattice directions overlap."""


@style.styled
def draw_explanation(explanation: Explanation, site: str, pdf: Path) -> None:
    """Draw a row for each head: the atoms around `site`, and their attention against distance.

    Lines connect the site with the smallest set of merged pairs that holds half of the attention;
    line widths are proportional to the attention to the atom. Writes `pdf` and a PNG next to it.
    Raises ValueError for an unknown site.
    """
    around = surroundings(explanation.crystal, site)
    colours = _element_colours(explanation)
    table = explanation.heads
    last = table[(table.site == site) & (table.block == table.block.max())]
    height = style.row_height(len(last), ROW_HEIGHT, 4.0)
    figure = style.new_figure(style.DOUBLE, height * len(last) + 1.6)
    axes = figure.subplots(
        len(last), 2, squeeze=False, width_ratios=[1, 1.25], sharex="col", sharey="col"
    )
    for row, head in enumerate(last.to_dict("records")):
        _structure(axes[row, 0], explanation, around, site, head, colours)
        _weights(axes[row, 1], explanation, site, head, colours)
    _weight_axis(axes[0, 1], [_rows(explanation, site, head) for head in last.to_dict("records")])
    style.letter(axes.flat)
    axes[-1, 1].set_xlabel(f"distance from {site} (Å)")
    figure.suptitle(_title(explanation), fontsize=9)
    fitting.legend(figure, _keys(colours, site), columns=8)
    style.save(figure, pdf)


def _title(explanation: Explanation) -> str:
    reach = f"long-range coefficient {explanation.long_range_coefficient:.1f} Å"
    if explanation.percentile is not None:
        reach += (
            f" (larger than that of {explanation.percentile:.0f}% of "
            f"{explanation.compared:,} training crystals)"
        )
    prediction = f"{readable(explanation.prediction)}{after_number(explanation.unit)}"
    return f"{explanation.formula}: prediction {prediction.replace('-', MINUS)}; {reach}"


def _element_colours(explanation: Explanation) -> dict[str, str]:
    elements = explanation.neighbours.element.sort_values().unique()
    return {element: COLOURS[k % len(COLOURS)] for k, element in enumerate(elements)}


def _keys(colours: dict[str, str], site: str) -> list[Line2D]:
    """Legend of colours, sizes and lines."""
    dots = [(element, colour, 6.0) for element, colour in colours.items()]
    dots += [
        (text, style.GREY, float(np.sqrt(_area(atoms))))
        for text, atoms in (("1 atom", 1), ("12 atoms", 12))
    ]
    keys = [
        Line2D([], [], marker="o", linestyle="", markeredgewidth=0, color=c, markersize=s, label=t)
        for t, c, s in dots
    ]
    keys.append(Line2D([], [], marker="o", linestyle="", markersize=7, label=site,
                       markerfacecolor="white", markeredgecolor=style.BLACK))  # fmt: skip
    half = "atoms that hold half of the attention"
    return [*keys, Line2D([], [], color=style.GREY, linewidth=WIDEST * 0.7, label=half)]


def _area(atoms: Any) -> Any:
    """Area in pt^2 of a dot that represents `atoms` atoms."""
    return 6 + 5 * atoms


def _view(position: style.Float) -> style.Float:
    """Positions (n, 3) in the coordinates of the view: right, up, towards the viewer."""
    turn = [[np.cos(TURN), np.sin(TURN), 0], [-np.sin(TURN), np.cos(TURN), 0], [0, 0, 1]]
    tilt = [[1, 0, 0], [0, np.sin(TILT), np.cos(TILT)], [0, -np.cos(TILT), np.sin(TILT)]]
    return position @ np.array(turn).T @ np.array(tilt).T


def _structure(
    axes: Axes,
    explanation: Explanation,
    around: Surroundings,
    site: str,
    head: dict,
    colours: dict[str, str],
) -> None:
    """Draw a parallel projection of the atoms, nearer ones larger and darker, and the lines."""
    weight = attention_to(explanation, around, site, head["block"], head["head"])
    elements = class_elements(explanation.crystal)
    order = np.argsort(_view(around.position)[:, 2])
    seen, weight = _view(around.position)[order], weight[order]
    colour = np.array([to_rgb(colours[elements[k]]) for k in around.site_class[order]])
    distance = around.distance[order]
    depth = (seen[:, 2] - seen[:, 2].min()) / max(np.ptp(seen[:, 2]), 1e-9)
    pale = 1 - (1 - colour) * (0.35 + 0.65 * depth[:, None])

    drawn = (weight >= _least_drawn(explanation, site, head)) & (distance > 0)
    ends = np.stack([np.zeros((drawn.sum(), 2)), seen[drawn, :2]], axis=1)
    widths = WIDEST * weight[drawn] / weight.max()
    axes.add_collection(LineCollection(list(ends), colors=pale[drawn], linewidths=widths, zorder=1))
    axes.scatter(
        seen[:, 0], seen[:, 1], s=8 + 22 * depth, c=pale, edgecolors="white", linewidths=0.3,
        zorder=2,
    )  # fmt: skip
    centre = elements[site_names(explanation.crystal).index(site)]
    axes.scatter(0, 0, s=60, color=colours[centre], edgecolors="black", linewidths=1.0, zorder=3)
    _scale_bar(axes, seen)
    axes.set(aspect="equal")
    axes.axis("off")
    axes.set_title(f"block {head['block']}, head {head['head']}")


def _scale_bar(axes: Axes, seen: style.Float) -> None:
    """Draw a bar of length FAR below the atoms."""
    left, bottom = seen[:, 0].min(), seen[:, 1].min() - 1.8
    axes.plot([left, left + FAR], [bottom, bottom], color="black", linewidth=1.5)
    axes.text(left + FAR + 0.5, bottom, f"{FAR:g} Å", va="center", fontsize=7)


def _least_drawn(explanation: Explanation, site: str, head: dict) -> float:
    """Smallest attention in the set of merged pairs that holds half of the attention."""
    rows = _rows(explanation, site, head).sort_values("weight", ascending=False)
    held = rows.share.cumsum() - rows.share
    return float(rows.weight[held < HALF].min())


def _weights(
    axes: Axes, explanation: Explanation, site: str, head: dict, colours: dict[str, str]
) -> None:
    """Draw the attention to one atom against its distance; dot areas show numbers of atoms."""
    rows = _rows(explanation, site, head)
    axes.scatter(
        rows.distance,
        rows.weight.clip(lower=LOWEST),
        s=_area(rows.atoms),
        c=[colours[element] for element in rows.element],
        alpha=0.75,
        linewidths=0,
        clip_on=False,
        zorder=3,
    )
    atoms = rows.atoms.sum()
    style.marked(axes, 1 / atoms, f"even: 1/{atoms}")
    style.marked(axes, FAR, f"{FAR:g} Å", upright=True)
    shares = (
        ("itself", "self_share"), (f"up to {FAR:g} Å", "near_share"), ("beyond", "far_share")
    )  # fmt: skip
    axes.set_title(", ".join(f"{name} {head[key]:.0%}" for name, key in shares))
    axes.set_ylabel(f"attention of {site} to one atom")


def _weight_axis(axes: Axes, heads: Sequence[pd.DataFrame]) -> None:
    """Limits and ticks that show the attention of all heads (tables of `_rows`)."""
    rows = pd.concat(heads)
    weights = np.append(rows.weight.clip(LOWEST, 1.0), 1 / heads[0].atoms.sum())
    low, high = 10 ** floor(log10(weights.min())), weights.max()
    room = (high / low) ** 0.12
    axes.set(yscale="log", ylim=(low / room**0.3, high * room))
    powers = range(floor(log10(low)), floor(log10(high)) + 1)
    powers = powers[:: max(1, ceil(len(powers) / 4))]
    below = (rows.weight < LOWEST).any()
    names = [("≤" if below and k == powers[0] else "") + f"$10^{{{k}}}$" for k in powers]
    axes.set_yticks([10.0**k for k in powers], names)
    axes.yaxis.set_minor_locator(NullLocator())
    reach = max(rows.distance.max(), FAR)
    axes.set_xlim(-0.03 * reach, 1.04 * reach)


def _rows(explanation: Explanation, site: str, head: dict) -> pd.DataFrame:
    table = explanation.neighbours
    here = (table.site == site) & (table.block == head["block"]) & (table["head"] == head["head"])
    return table[here]
