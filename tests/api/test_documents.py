"""Notebooks and the Python page: their code runs as it stands, on models of a second."""

import re
import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest

from sitenet.api.rows import Prediction

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


@pytest.fixture
def names(runs: Path, cifs: Path) -> dict[str, Any]:
    """Names of a program in a folder that looks as after `make run`, with new crystals."""
    shutil.copytree(runs, "results/prototypes/n50/ewald_energy/sitenet")
    return {"__name__": "__main__"}


def run(cells: list[str], names: dict[str, Any]) -> None:
    for cell in cells:
        exec(cell, names)


def code(notebook: Path) -> list[str]:
    content = nbformat.read(notebook, as_version=4)
    nbformat.validate(content)
    assert not any(cell.get("outputs") for cell in content.cells)
    return [cell.source for cell in content.cells if cell.cell_type == "code"]


def test_there_are_two_notebooks() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["predict_and_explain", "scikit_learn_and_matminer"]


def test_predict_and_explain(names: dict[str, Any]) -> None:
    run(code(NOTEBOOKS[0]), names)
    table = names["table"].set_index("id")
    assert names["usable"].id.tolist() == ["NaCl", "MgO"]
    assert table.unlike["AuCl"].startswith("no training crystal has Au")
    assert table.problem["broken"]
    assert len(names["neighbours"])
    assert all(path.is_file() for path in names["written"])


def test_scikit_learn_and_matminer(names: dict[str, Any]) -> None:
    run(code(NOTEBOOKS[1]), names)
    assert names["errors"].shape == (2,)
    assert names["table"].columns[2] == "SiteNet z1"
    assert names["table"].notna().all(axis=None)


def test_the_python_page(names: dict[str, Any]) -> None:
    text = (ROOT / "docs/python.md").read_text()
    cells = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(cells) == 4
    run(cells, names)
    assert names["table"].problem.tolist() == ["", ""]
    assert (names["written"].rows, names["written"].problems) == (5, 1)
    assert len(names["vectors"]) == 5
    assert len(names["files"]) == 4
    assert names["regressor"].predict(names["cifs"]).shape == (4,)


def test_columns_of_the_page_are_those_of_a_prediction() -> None:
    table = (ROOT / "docs/python.md").read_text().split("| column | |")[1].split("###")[0]
    cells = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", " ".join(cells))) == set(Prediction._fields)
