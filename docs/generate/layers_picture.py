"""Draws the rooms of the package and their imports: `python docs/generate/layers_picture.py`."""

from html import escape
from pathlib import Path

from package_imports import edges, purpose, rooms

PICTURE = Path(__file__).resolve().parents[1] / "images" / "layers.svg"
ROW, LEFT, CELL = 26, 640, 24
STYLE = """
    text { font: 13px system-ui, sans-serif; fill: #222; }
    .name { font-weight: 600; fill: #1a237e; }
    .small { font-size: 11px; fill: #666; }
    .card { fill: #fff; stroke: #ccc; }
    .band { fill: #f1f3fb; }
    .own { fill: #c5cae9; }
    .dot { fill: #3949ab; }
"""


def column_titles(names: list[str], top: int) -> list[str]:
    return [
        f'<text class="small" transform="translate({LEFT + CELL * k + 15},{top - 8}) rotate(-50)">'
        f"{name}</text>"
        for k, name in enumerate(names)
    ]


def row(names: list[str], number: int, top: int) -> list[str]:
    """One room: its name, its purpose, and a dot for each room that it imports."""
    name, y, width = names[number], top + ROW * number, LEFT + CELL * len(names)
    parts = [
        f'<rect class="band" x="8" y="{y}" width="{width}" height="{ROW}"/>' * (number % 2),
        f'<text class="name" x="16" y="{y + 17}">{name}</text>',
        f'<text x="112" y="{y + 17}" class="small">{escape(_short(purpose(name)))}</text>',
        f'<rect class="own" x="{LEFT + CELL * number + 4}" y="{y + 5}" width="16" height="16"/>',
    ]
    for k, other in enumerate(names):
        if (name, other) in edges():
            centre = (LEFT + CELL * k + 12, y + ROW // 2)
            parts.append(
                f'<circle class="dot" cx="{centre[0]}" cy="{centre[1]}" r="5">'
                f"<title>{name} imports {other}</title></circle>"
            )
    return parts


def _short(text: str, limit: int = 90) -> str:
    words = text.rstrip(".").replace("`", "")
    return words if len(words) <= limit else words[:limit].rsplit(" ", 1)[0] + " …"


def picture() -> str:
    """The rooms from top to bottom, as SVG: a dot where a row imports a column."""
    names = rooms()
    top, width = 96, LEFT + CELL * len(names) + 16
    height = top + ROW * len(names) + 12
    body = [
        f'<rect class="card" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8"/>',
        f'<text class="small" x="16" y="{top - 8}">room</text>',
        *column_titles(names, top),
    ]
    for number in range(len(names)):
        body += row(names, number, top)
    title = "Rooms of the package, and which of them each imports"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n" + "\n".join(filter(None, body))
    ) + "\n</svg>\n"


if __name__ == "__main__":
    PICTURE.write_text(picture())
