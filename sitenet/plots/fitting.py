"""Texts that fit: titles on one line, labels within their panel, legends within the page.

Names of data sets, tasks and units come from the user and can have any length. A text that does not
fit is set smaller, down to `SMALLEST`, and then shortened in its middle, as names often end in what
tells them apart and labels in their unit.
"""

import re
from collections.abc import Sequence

from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.text import Text

SMALLEST = 6.5  # pt
LETTER, NOTE = "letter", "note"
"""Marks (gid) of the letter of a panel, which stands beside its title, and of notes in a panel."""

GAP = 4.0  # pt, between letter and title
OVERHANG = 1.12  # labels may be longer than their axis by this factor
ELLIPSIS = "…"
LONGEST_ENTRY = 48  # characters of an entry of a legend


def fit_texts(figure: Figure) -> None:
    """Fit all titles and axis labels of a figure to their room; call it when all is drawn."""
    figure.draw_without_rendering()  # places the panels
    for text in figure.texts:
        _fit(text, 0.98 * figure.bbox.width)
    _fit_titles(figure)
    for axes in figure.axes:
        room = axes.get_window_extent()
        _fit(axes.xaxis.label, OVERHANG * room.width)
        _fit(axes.yaxis.label, OVERHANG * room.height, upright=True)
        for text in axes.texts:
            if text.get_gid() == NOTE:
                _fit(text, 0.94 * room.width)


def legend(
    figure: Figure, handles: Sequence[Artist], place: str = "lower center", columns: int = 6
) -> None:
    """Draw a legend outside the panels, in as many columns (at most `columns`) as fit the width."""
    for handle in handles:
        handle.set_label(shortened(str(handle.get_label()), LONGEST_ENTRY))
    for count in range(min(columns, len(handles)), 0, -1):
        drawn = figure.legend(handles=list(handles), loc=f"outside {place}", ncols=count)
        if count == 1 or drawn.get_window_extent().width <= 0.99 * figure.bbox.width:
            return
        drawn.remove()


def shortened(text: str, length: int) -> str:
    """`text` with at most `length` characters: its beginning, an ellipsis, and its end.

    A formula between dollar signs counts as one character and is not cut.
    """
    letters = re.findall(r"\$[^$]*\$|.", text)
    if len(letters) <= length:
        return text
    end = max(0, length - 1) // 2
    kept = [*letters[: max(0, length - 1 - end)], ELLIPSIS, *letters[len(letters) - end :]]
    return "".join(kept)


def _fit_titles(figure: Figure) -> None:
    """In the middle of panels of one width if all have room, else between letter and right edge."""
    rooms: dict[int, list[tuple[Text, float, float]]] = {}
    for axes in figure.axes:
        letters = [t.get_window_extent().width for t in axes.findobj(Text) if t.get_gid() == LETTER]
        taken = letters[0] + GAP * figure.dpi / 72 if letters else 0.0
        width = axes.get_window_extent().width
        rooms.setdefault(round(width), []).append((axes.title, width, taken))
    for alike in rooms.values():
        if all(t.get_window_extent().width <= width - 2 * taken for t, width, taken in alike):
            continue
        for title, width, taken in alike:
            title.set(x=1.0, horizontalalignment="right")
            _fit(title, width - taken)


def _fit(text: Text, room: float, upright: bool = False) -> None:
    """Set `text` smaller, then shorten its longest line, until it is at most `room` pixels long."""

    def length() -> float:
        extent = text.get_window_extent()
        return extent.height if upright else extent.width

    if not text.get_text() or length() <= room:
        return
    size = float(text.get_fontsize())
    text.set_fontsize(max(SMALLEST, size * room / length()))
    while length() > room:
        lines = text.get_text().split("\n")
        longest = max(range(len(lines)), key=lambda k: len(lines[k]))
        for kept in range(int(len(lines[longest]) * room / length()) + 1, 0, -1):
            if (new := shortened(lines[longest], kept)) != lines[longest]:
                break
        else:
            return
        lines[longest] = new
        text.set_text("\n".join(lines))
