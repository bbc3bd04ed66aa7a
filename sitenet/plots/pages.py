"""Tables as HTML pages."""

from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from sitenet.files import atomic_path

LONGEST = 1000
"""Largest number of rows of a page."""

STYLE = """
body { font: 14px sans-serif; margin: 1em; color: #222; }
table { border-collapse: collapse; }
th { position: sticky; top: 0; background: #eee; text-align: left; }
th, td { padding: 0.3em 0.8em; border-bottom: 1px solid #ddd; vertical-align: top; }
td { max-width: 32em; overflow-wrap: break-word; }
.long { min-width: 32em; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.number, .short { white-space: nowrap; }
"""


def write_page(table: Path, page: Path) -> None:
    """Write a CSV file as an HTML page, with numbers rounded as in `cell_text`.

    Only the first `LONGEST` rows are included; the page states how many are not.
    """
    rows = pd.read_csv(table, keep_default_na=False, na_values=[""])
    numeric = [pd.api.types.is_numeric_dtype(rows[name]) for name in rows]
    head = "".join(
        f'<th class="number">{escape(str(name))}</th>'
        if number
        else f"<th>{escape(str(name))}</th>"
        for name, number in zip(rows, numeric, strict=True)
    )
    body = "".join(
        f"<tr>{''.join(map(_cell, values, numeric))}</tr>\n"
        for values in rows.head(LONGEST).itertuples(index=False)
    )
    left = max(0, len(rows) - LONGEST)
    note = f"{len(rows):,} row" + "s" * (len(rows) != 1)
    note += f", the last {left:,} in the CSV file only" * bool(left)
    with atomic_path(page) as temporary:
        temporary.write_text(
            f'<!DOCTYPE html><html><head><meta charset="utf-8"><title>{escape(table.stem)}</title>'
            f"<style>{STYLE}</style></head><body>\n<p>{escape(table.name)}: {note}</p>\n"
            f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></body></html>\n"
        )


def _cell(value: Any, numeric: bool) -> str:
    if pd.isna(value):
        return "<td></td>"
    text = cell_text(value)
    kind = "number" if numeric else "short" if len(text) <= 40 else "long"
    return f'<td class="{kind}">{escape(text)}</td>'


def cell_text(value: Any) -> str:
    """A cell as text: floats with 4 significant digits, or none after the point from 10,000 on."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if value.is_integer() or abs(value) >= 10_000 else f"{value:.4g}"
