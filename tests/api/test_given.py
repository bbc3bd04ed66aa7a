"""Every form in which crystals can be given, and what is told of those that are none."""

from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from salt_cif import salt

from sitenet import Predictor
from sitenet.api import predictor as module
from sitenet.api.given import Columns, given_crystals, number_of
from sitenet.api.reading import read_one
from sitenet.options.features import FeatureSettings
from sitenet.structure.rejection import RejectedCrystal

SETTINGS = FeatureSettings(n_atoms=16)
EDGE = 5.64

POSCAR = """salt
1.0
5.64 0 0
0 5.64 0
0 0 5.64
Na Cl
4 4
Direct
0 0 0
0 0.5 0.5
0.5 0 0.5
0.5 0.5 0
0.5 0 0
0.5 0.5 0.5
0 0 0.5
0 0.5 0
"""


class Atoms:
    """The methods of ASE's Atoms that are used, with its conventions."""

    def __init__(self, periodic: bool = True, occupancy: bool = False) -> None:
        self.periodic = periodic
        self.info = {"occupancy": {}} if occupancy else {}

    def get_pbc(self) -> Any:
        return np.array([True, True, self.periodic])

    def get_cell(self) -> Any:
        return EDGE * np.eye(3)

    def get_chemical_symbols(self) -> list[str]:
        return ["Na"] * 4 + ["Cl"] * 4

    def get_scaled_positions(self) -> Any:
        fcc = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
        return np.vstack([fcc, (fcc + np.array([0.5, 0, 0])) % 1])


def structure(share: float = 1.0, oxidation: float | None = None) -> Any:
    from pymatgen.core import Lattice, Species, Structure

    cation = "Na" if oxidation is None else Species("Na", oxidation)
    anion = "Cl" if oxidation is None else Species("Cl", -oxidation)
    places = [[0, 0, 0], [0.5, 0.5, 0.5]]
    return Structure.from_spacegroup("Fm-3m", Lattice.cubic(EDGE), [{cation: share}, anion], places)


def test_all_forms_of_a_crystal_have_one_prediction(runs: Path, cifs: Path) -> None:
    Path("POSCAR").write_text(POSCAR)
    Path("salt.vasp").write_text(POSCAR)
    frame = pd.DataFrame({"material_id": ["one"], "cif": [salt()], "lattice": [0]})
    frame.to_csv("table.csv", index=False)
    frame.to_parquet("table.parquet")
    forms = [salt(), POSCAR, structure(), structure(oxidation=1), Atoms(), "new/a.cif",
             Path("new/a.cif"), "POSCAR", "salt.vasp", "table.csv", Path("table.parquet"),
             "new/[a].cif"]  # fmt: skip
    predictor = Predictor.load(runs / "seed0")
    found = predictor.predict(forms)
    assert found.problem.tolist() == [""] * len(forms)
    np.testing.assert_allclose(found.prediction, found.prediction[0], rtol=1e-5)
    assert found.id.tolist() == ["0", "1", "2", "3", "4", "new/a.cif", "new/a.cif", "POSCAR",
                                 "salt.vasp", "one", "one", "new/a.cif"]  # fmt: skip
    series = pd.Series([structure(), salt()], index=["x", "y"])
    for named in (frame.assign(material_id="x"), {"x": Atoms()}, series):
        again = predictor.predict(named)
        assert again.id[0] == "x"
        np.testing.assert_allclose(again.prediction, found.prediction[0], rtol=1e-5)
    assert predictor.predict(structure()).prediction[0] == pytest.approx(found.prediction[0])


def test_a_folder_has_its_cifs_and_poscars_in_order(tmp_path: Path) -> None:
    for name in ("b.cif", "a/POSCAR", "a/z.CIF", "c.vasp", "a/notes", ".h.cif", "contcar"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    found = [given.id for given in given_crystals(tmp_path)]
    names = ["a/POSCAR", "a/z.CIF", "b.cif", "c.vasp", "contcar"]
    assert found == [str(tmp_path / name) for name in names]


def reason(crystal: Any) -> str:
    """Why a crystal is refused."""
    (given,) = given_crystals(crystal)
    with pytest.raises(RejectedCrystal) as error:
        read_one(given, SETTINGS)
    return str(error.value)


@pytest.mark.parametrize(
    ("crystal", "told"),
    [
        (Atoms(periodic=False), "not periodic in all three directions"),
        (Atoms(occupancy=True), "occupancies"),
        (POSCAR.replace("Na Cl\n", ""), "POSCAR does not name its elements"),
        (POSCAR.replace("0.5 0 0\n", "0.5 0\n", 1), "no POSCAR that can be read"),
        ("1\n2\n", "no POSCAR that can be read"),
        ("\n", "the CIF is empty"),
        (7, "this is no crystal but int"),
        ([None], "this is no crystal but NoneType"),
        ("no*.cif", "no file matches"),
        ("absent.cif", "it does not exist"),
    ],
)
def test_what_is_no_crystal_is_refused_with_a_reason(crystal: Any, told: str) -> None:
    assert told in reason(crystal)


def test_disorder_is_refused() -> None:
    assert "partial occupancy" in reason(structure(share=0.5))


def test_given_charges_are_kept() -> None:
    (given,) = given_crystals(structure(oxidation=1))
    crystal, _ = read_one(given, FeatureSettings(n_atoms=16, oxidation="given"))
    assert sorted(crystal.oxidation.tolist()) == [-1, 1]


def test_broken_tables_and_rows_have_a_row_each(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("name,text\na,x\nb\nc,y\n")
    (whole,) = given_crystals(path)
    assert "has no column 'cif'; it has name, text" in whole.problem
    rows = list(given_crystals(path, Columns("text", "name")))
    assert [row.id for row in rows[:2]] == ["a", "c"]
    assert "the row has 1 cells instead of 2" in rows[2].problem
    unnamed = [row.id for row in given_crystals(path, Columns("text"))]
    assert unnamed[:2] == [f"{path}:1", f"{path}:2"]
    with pytest.raises(ValueError, match="the data frame has no column 'cif'; it has a"):
        list(given_crystals(pd.DataFrame({"a": [1]})))


def test_crystals_are_drawn_as_they_are_needed(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an endless source: neither names nor crystals are collected."""
    monkeypatch.setattr(module, "TOGETHER", 4)
    drawn = []

    def endless() -> Any:
        for number in count():
            drawn.append(number)
            yield salt(edge=5 + number % 7 / 10)

    rows = list(islice(Predictor.load(runs / "seed0").stream(endless(), workers=1), 40))
    assert [row.id for row in rows] == [str(k) for k in range(40)]
    assert len(drawn) < 200


def test_the_number_is_told_where_it_is_known(cifs: Path) -> None:
    pd.DataFrame({"cif": ["x"] * 5}).to_parquet("five.parquet")
    assert number_of(["new/a.cif", "new/b.cif", "five.parquet"]) == 7
    assert number_of([salt(), structure()]) == 2
    assert number_of("new") == number_of(["new/*.cif"]) == number_of(iter([salt()])) == 0
