"""Tables as pages."""

from pathlib import Path

import numpy as np
import pytest

from sitenet.plots.pages import LONGEST, cell_text, write_page


def test_a_page_has_every_cell_and_no_markup_of_the_data(tmp_path: Path) -> None:
    table, page = tmp_path / "t.csv", tmp_path / "t.html"
    table.write_text("id,mae,count\n<b>NaCl</b>,0.123456,1234567\nNA,,2\n")
    write_page(table, page)
    html = page.read_text()
    assert '<th>id</th><th class="number">mae</th><th class="number">count</th>' in html
    assert '<td class="short">&lt;b&gt;NaCl&lt;/b&gt;</td>' in html
    assert '<td class="number">0.1235</td><td class="number">1234567</td>' in html
    assert (
        '<tr><td class="short">NA</td><td></td><td class="number">2</td></tr>' in html
    )  # sodium, not missing
    assert "t.csv: 2 rows" in html


def test_a_page_of_a_long_table_says_what_it_leaves_out(tmp_path: Path) -> None:
    table, page = tmp_path / "t.csv", tmp_path / "t.html"
    table.write_text("id\n" + "".join(f"c{k}\n" for k in range(LONGEST + 2)))
    write_page(table, page)
    html = page.read_text()
    assert html.count("<tr><td") == LONGEST
    assert f"{LONGEST + 2:,} rows, the last 2 in the CSV file only" in html


@pytest.mark.parametrize(
    ("value", "text"),
    [(3, "3"), (np.float64(21240.0), "21240"), (98765.4, "98765"), (0.000123456, "0.0001235"),
     (1.0, "1"), (np.True_, "True")],
)  # fmt: skip
def test_numbers_of_a_page(value: object, text: str) -> None:
    assert cell_text(value) == text
