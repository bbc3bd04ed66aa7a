"""The look of every figure, whatever is drawn: texts that fit and do not touch, legends."""

from dataclasses import replace
from itertools import chain, combinations
from pathlib import Path

import numpy as np
import pytest
from figure_inputs import Case, Inputs
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection, QuadMesh
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from sitenet.analysis import task_ranges
from sitenet.plots import fitting, style

LONG = "formation energy of a data set whose name nobody thought of as a heading"
USUAL = Case()
ALL = list(Inputs(USUAL, Path()).figures)
CASES = {
    "one training": (
        replace(USUAL, names=("gap",), seeds=(0,), heads=1, blocks=1, epochs=1),
        ["fig5", "fig6", "range", "dim_fig6"],
    ),
    "eight tasks or heads": (
        replace(USUAL, names=tuple(f"task {k}" for k in range(8)), seeds=(0, 1, 2, 3, 4), heads=8),
        ["fig5", "fig6", "fig7", "range", "dim_fig6"],
    ),
    "five crystals": (replace(USUAL, crystals=5), ["fig5", "fig7", "dim_fig10"]),
    "no test crystals": (
        replace(USUAL, crystals=0),
        ["fig5", "fig7", "range", "invariance", "supercells", "dim_fig9", "dim_fig10"],
    ),
    "thousands": (replace(USUAL, crystals=3000), ["fig7"]),
    "all equal": (
        replace(USUAL, spread=0.0, failures=0.0),
        ["fig5", "fig6", "fig7", "range", "dim_fig7", "dim_fig10"],
    ),
    "long names": (
        replace(
            USUAL,
            names=(f"{LONG}, N = 50", f"{LONG}, N = 100"),
            unit="10$^{-3}$ meV per atom and formula unit",
        ),
        ALL,
    ),
}
SMALLEST = 6.0  # pt


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures of a test as they would be saved."""
    found: list[Figure] = []

    def keep(figure: Figure, pdf: Path) -> None:
        fitting.fit_texts(figure)
        found.append(figure)

    monkeypatch.setattr(style, "save", keep)
    monkeypatch.setattr(task_ranges, "RESAMPLES", 20)
    return found


@pytest.mark.parametrize(("case", "figure"), [(c, f) for c, (_, fs) in CASES.items() for f in fs])
def test_figure_is_readable(case: str, figure: str, tmp_path: Path, fitted: list[Figure]) -> None:
    Inputs(CASES[case][0], tmp_path).figures[figure]()
    (drawn,) = fitted
    panels = [axes for axes in drawn.axes if axes.axison or axes.has_data()]
    for axes in panels:
        _title_on_one_line(axes)
    _on_the_page(drawn)
    _no_two_titles_overlap(drawn)
    _everything_is_explained(drawn)
    sizes = [text.get_fontsize() for text in _texts(drawn)]
    assert min(sizes) >= SMALLEST
    assert drawn.get_figwidth() == pytest.approx(style.DOUBLE / 2.54, rel=0.001) or len(panels) == 1


def _texts(figure: Figure) -> list[Text]:
    return [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]


def _title_on_one_line(axes: Axes) -> None:
    title = axes.title
    assert "\n" not in title.get_text()
    if not title.get_text():
        return
    extent, panel = title.get_window_extent(), axes.get_window_extent()
    assert extent.x1 <= panel.x1 + 1
    letters = [t for t in axes.findobj(Text) if t.get_gid() == fitting.LETTER]
    assert extent.x0 >= max([panel.x0, *(t.get_window_extent().x1 for t in letters)]) - 1


def _on_the_page(figure: Figure) -> None:
    page = figure.bbox
    of_panels = [(axes.title, axes.xaxis.label, axes.yaxis.label) for axes in figure.axes]
    for text in [*figure.texts, *chain.from_iterable(of_panels)]:
        if text.get_text():
            extent = text.get_window_extent()
            assert extent.x0 >= page.x0 - 2, text
            assert extent.x1 <= page.x1 + 2, text
            assert extent.y0 >= page.y0 - 2, text
            assert extent.y1 <= page.y1 + 2, text
    for legend in figure.legends:
        assert legend.get_window_extent().width <= page.width


def _no_two_titles_overlap(figure: Figure) -> None:
    titles = [axes.title for axes in figure.axes if axes.title.get_text()]
    labels = [label for axes in figure.axes for label in (axes.xaxis.label, axes.yaxis.label)
              if label.get_text() and label.get_visible()]  # fmt: skip
    extents = [text.get_window_extent() for text in [*titles, *labels]]
    for one, other in combinations(extents, 2):
        shared = Bbox.intersection(one, other)
        assert shared is None or min(shared.width, shared.height) < 2


def _everything_is_explained(figure: Figure) -> None:
    """Colours of lines and points are in the legend; cells have a colour bar; dashes a text."""
    known = {
        colour
        for legend in figure.legends
        for handle in legend.legend_handles
        for colour in _colours(handle)
    }
    for axes in figure.axes:
        if axes.get_label() == "<colorbar>":
            continue
        meshes = [c for c in axes.collections if isinstance(c, QuadMesh)]
        bars = [other for other in figure.axes if other.get_label() == "<colorbar>"]
        assert bars or not meshes
        for line in axes.lines:
            told = line.get_color() == style.GREY and line.get_linestyle() == "--"
            assert told or _colours(line) <= known, (line, axes.get_title())
            if told:
                assert any(t.get_color() == style.DARK for t in axes.texts)
        for points in axes.collections:
            if isinstance(points, PathCollection) and points.get_array() is None:
                assert _colours(points) <= known


def _colours(artist: Artist) -> set[str]:
    if isinstance(artist, Line2D):
        return {to_hex(artist.get_color())}
    if isinstance(artist, Patch):
        return {to_hex(artist.get_edgecolor())}
    assert isinstance(artist, PathCollection)
    return {to_hex(colour) for colour in artist.get_facecolor()}


def test_no_colour_but_those_for_the_colour_blind_or_grey() -> None:
    colours = [style.BLUE, style.VERMILLION, style.GREEN, style.ORANGE, style.PURPLE, style.SKY]
    values = [np.array([int(c[k : k + 2], 16) for k in (1, 3, 5)]) for c in colours]
    assert min(np.abs(a - b).max() for a, b in combinations(values, 2)) > 60


def test_a_title_that_fits_stays_in_the_middle_and_one_that_does_not_is_shortened() -> None:
    figure = style.new_figure(8, 6)
    axes = figure.subplots()
    style.letter([axes])
    axes.set_title("gap, N = 50")
    fitting.fit_texts(figure)
    assert (axes.get_title(), axes.title.get_horizontalalignment()) == ("gap, N = 50", "center")
    axes.set_title(f"{LONG}, N = 50")
    fitting.fit_texts(figure)
    assert axes.get_title().startswith("formation")
    assert axes.get_title().endswith("N = 50")
    assert fitting.ELLIPSIS in axes.get_title()
    assert axes.title.get_fontsize() == fitting.SMALLEST


def test_shortened_keeps_both_ends_and_formulas() -> None:
    assert fitting.shortened("abcd$x^{long}$fgh", 5) == "ab…gh"
    assert fitting.shortened("a$x^{long}$bcdefgh", 5) == "a$x^{long}$…gh"
    assert fitting.shortened("abcdefgh", 8) == "abcdefgh"
    assert fitting.shortened("abcdefgh", 5) == "ab…gh"
    assert fitting.shortened("abcdefgh", 2) == "a…"
