"""Folders and tables as users have them: every file and every label is kept, told or refused."""

import csv
import os

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sitenet.options.datasets import LabelSettings, SourceSettings
from sitenet.provenance.rejections import write_rejections
from sitenet.sources.cif_writer import write_cif
from sitenet.sources.collect import collect
from sitenet.sources.label_table import write_labels
from sitenet.sources.label_value import UnreadableLabel, label_value
from sitenet.sources.records import SourceError
from sitenet.sources.rejection_limit import TooManyRejected

SALT = write_cif("x", np.eye(3) * 5.6, ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])


def folder_with(tmp_path, listing, names=("a", "b"), **further):
    folder = tmp_path / "cifs"
    folder.mkdir()
    for name in names:
        (folder / f"{name}.cif").write_text(SALT)
    for name, content in further.items():
        (folder / name).write_bytes(content)
    (folder / "id_prop.csv").write_bytes(listing)
    return folder


def read(tmp_path, source, column="gap", allowed=1.0):
    """Values by id; {(id, kind): reason} of all that is told; kinds by id."""
    settings = SourceSettings.from_dict(
        {"dataset": "mine", "source": source, "max_rejected_fraction": allowed}
    )
    out = tmp_path / "mine"
    (out / "labels").mkdir(parents=True, exist_ok=True)
    lists = [out / "rejected.csv", out / "labels" / "gap.rejected.csv"]
    collect(settings, out / "structures.parquet", lists[0])
    labels = LabelSettings.from_dict(
        {"dataset": "mine", "source": source, "task": "gap", "column": column}
    )
    write_labels(labels, out / "structures.parquet", out / "labels" / "gap.parquet", lists[1])
    table = pd.read_parquet(out / "labels" / "gap.parquet")
    values = dict(zip(table["id"], table["gap"], strict=True))
    told = {}
    for path in lists:
        with path.open(newline="") as file:
            told |= {(row["id"], row["kind"]): row["reason"] for row in csv.DictReader(file)}
    write_rejections(lists, out / "rejections.csv")
    return values, told


def in_folder(path, **options):
    return {"kind": "cif_folder", "path": str(path), **options}


def test_every_entry_of_a_folder_is_kept_or_told(tmp_path):
    folder = folder_with(
        tmp_path,
        b"a,1\nB.CIF,2\nlatin,3\nboth,4\nbig,5\nloop,6\nnest,7\npipe,8\nbare,9\nzip,10\nnan,11\n",
        names=("a", "b", "latin", "unlisted"),
        **{
            "._a.cif": b"\0\5\26\7",
            "both.cif": SALT.encode(),
            "both.CIF": SALT.encode(),
            "zip.cif.gz": b"\x1f\x8b",
            "a.cif.gz": b"\x1f\x8b",
            "bare.cif": b"",
            ".cif": SALT.encode(),
            "notes.txt": b"no crystal",
        },
    )
    (folder / "latin.cif").write_bytes(f"# caf\xe9\n{SALT}".encode("latin-1"))
    (folder / "b.cif").rename(folder / "B.CIF")
    with (folder / "big.cif").open("wb") as file:
        file.truncate(2**30)  # a file with a hole
    (folder / "loop.cif").symlink_to(folder / "loop.cif")
    (folder / "nest.cif").mkdir()
    os.mkfifo(folder / "pipe.cif")
    values, told = read(tmp_path, in_folder(folder))
    assert values == {"a": 1, "B": 2, "latin": 3}
    assert told == {
        ("._a", "no crystal"): "a file of macOS, not a CIF",
        ("both", "rejected"): "2 files have this id",
        ("zip", "rejected"): "the file is compressed: unpack it",
        ("a", "no crystal"): "a compressed copy of a CIF",
        ("bare", "rejected"): "the CIF is empty",
        ("", "rejected"): "no row in id_prop.csv",
        ("unlisted", "rejected"): "no row in id_prop.csv",
        ("big", "rejected"): "the CIF has 1,024 MiB (at most 16)",
        ("loop", "rejected"): "there is no such file",
        ("nest", "rejected"): "this is a folder, not a file",
        ("pipe", "rejected"): "this is not a file",
        ("nan", "no crystal"): "listed in id_prop.csv, but there is no such CIF file",
    }


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_names_that_are_not_ascii(tmp_path, encoding):
    name = "caf\N{LATIN SMALL LETTER E WITH ACUTE}"
    folder = folder_with(tmp_path, f"{name},1\n".encode(encoding), names=())
    with open(os.fsencode(folder) + b"/" + f"{name}.cif".encode(encoding), "w") as file:
        file.write(SALT)
    assert read(tmp_path, in_folder(folder)) == ({name: 1}, {})


def test_a_name_in_both_encodings_is_ambiguous(tmp_path):
    folder = folder_with(tmp_path, b"a,1\ncaf\xe9,2\n", names=("a",))
    for name in (b"caf\xe9", "caf\xe9".encode()):
        with open(os.fsencode(folder) + b"/" + name + b".cif", "w") as file:
            file.write(SALT)
    values, told = read(tmp_path, in_folder(folder))
    assert list(values) == ["a"]
    assert told == {("caf\xe9", "rejected"): "2 files have this id"}


@pytest.mark.parametrize(
    "listing",
    [
        b"id,gap\na,1\nb,2\n",
        b"cif_id,target\na,1\nb,2\n",
        b"id,other,gap\na,9,1\nb,8,2\n",
        b"\xef\xbb\xbfa,1\r\nb,2\r\n",
        b"a,1\rb,2\r",
        b'"a", 1 \n\n b.cif ,+2.0e0,,\n',
        "a,1\nb,2\n".encode("utf-16"),
    ],
)
def test_lists_in_many_forms(tmp_path, listing):
    folder = folder_with(tmp_path, listing)
    assert read(tmp_path, in_folder(folder)) == ({"a": 1, "b": 2}, {})


def test_a_first_row_with_a_known_id_is_no_header(tmp_path):
    folder = folder_with(tmp_path, b"a,x\nb,2\n")
    values, told = read(tmp_path, in_folder(folder))
    assert values["b"] == 2
    assert told == {("a", "no label"): "gap: 'x' is not a number (not used for this task)"}


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("1,5", "'1,5' is not a number"),
        ('"1,5"', "'1,5' is not a number"),
        ("1_0.5", "'1_0.5' is not a number"),
        ("\N{ARABIC-INDIC DIGIT ONE}", "is not a number"),
        ("3 eV", "'3 eV' is not a number"),
        ("inf", "'inf' is not a number"),
        ("1e999", "'1e999' is not a finite number"),
        ("nan", "no value for gap"),
        ("", "no value for gap"),
    ],
)
@pytest.mark.parametrize("header", [b"", b"id,gap\n"])
def test_labels_that_are_no_numbers_are_told(tmp_path, header, cell, reason):
    folder = folder_with(tmp_path, header + f"b,2\na,{cell}\n".encode())
    values, told = read(tmp_path, in_folder(folder))
    assert values["b"] == 2
    assert np.isnan(values["a"])
    assert list(told) == [("a", "no label")]
    assert reason in told["a", "no label"]


def test_two_rows_of_one_crystal(tmp_path):
    folder = folder_with(tmp_path, b"a,1\na.cif,1.0\nb,2\nb,3\nc,4\n", names=("a", "b", "c"))
    values, told = read(tmp_path, in_folder(folder))
    assert values["a"] == 1
    assert np.isnan(values["b"])
    assert told["b", "no label"] == "gap: several rows, which differ (not used for this task)"
    assert told["a", "no crystal"] == told["b", "no crystal"] == "a second row of labels"


def test_what_is_no_crystal_does_not_count_as_rejected(tmp_path, caplog):
    listing = b"".join(b"x%d,1\n" % k for k in range(50)) + b"a,1\nb,2\n"
    folder = folder_with(tmp_path, listing, **{f"._{k}.cif": b"" for k in range(9)})
    caplog.set_level("INFO", "sitenet")
    values, told = read(tmp_path, in_folder(folder), allowed=0.0)
    assert values == {"a": 1, "b": 2}
    assert len(told) == 59
    assert "not counted as crystals: 59 (50 x listed in id_prop.csv" in caplog.text
    assert "entries that are no crystals: mine 59" in caplog.text
    assert "crystals rejected: none" in caplog.text
    (folder / "c.cif").write_text("")
    with pytest.raises(TooManyRejected, match="1 of 3 crystals"):
        read(tmp_path, in_folder(folder), allowed=0.3)


def test_notes_are_listed_and_counted(tmp_path, caplog):
    wrong = SALT.replace("_cell_length_a", "_chemical_formula_sum 'Na Cl O3'\n_cell_length_a")
    heavy = SALT.replace("Na", "D")
    folder = folder_with(
        tmp_path, b"a,1\nb,2\nc,3\n", **{"b.cif": wrong.encode(), "c.cif": heavy.encode()}
    )
    caplog.set_level("INFO", "sitenet")
    values, told = read(tmp_path, in_folder(folder), allowed=0.0)
    assert values == {"a": 1, "b": 2, "c": 3}
    assert told == {
        ("b", "noted"): "the composition contradicts _chemical_formula_sum "
        "(Na Cl O3, in the cell Cl1 Na1)",
        ("c", "noted"): "1 D read as H",
    }
    assert "2 usable crystals were changed in reading or contradict their CIF (1 x " in caplog.text
    assert "crystals used with a remark: mine 2" in caplog.text


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_tables_with_a_column_twice(tmp_path, ending):
    folder = folder_with(tmp_path, b"")
    path = tmp_path / f"labels.{ending}"
    frame = pa.table([["a"], [1], [2]], names=["id", "gap", "gap"])
    if ending == "csv":
        path.write_text("id,gap,gap\na,1,2\n")
    else:
        pq.write_table(frame, path)
    with pytest.raises(SourceError, match="2 columns called 'gap'"):
        read(tmp_path, in_folder(folder, labels=str(path)))
    (folder / "id_prop.csv").write_text("id,gap,gap\na,1,2\nb,1,2\n")
    with pytest.raises(SourceError, match="2 columns 'gap'"):
        read(tmp_path, in_folder(folder))


def test_rows_of_a_table_with_a_decimal_comma(tmp_path):
    folder = folder_with(tmp_path, b"")
    path = tmp_path / "labels.csv"
    path.write_text("id,gap\na,1,5\nb,2\n")
    values, told = read(tmp_path, in_folder(folder, labels=str(path)))
    assert values == {"b": 2}
    assert told["a", "rejected"] == "no row in labels.csv"
    assert told["unknown", "no crystal"] == "the row has 3 cells instead of 2"


def test_a_table_of_cifs(tmp_path):
    cifs = [SALT, SALT, None, SALT, f"# caf\xe9\n{SALT}".encode("latin-1").decode("latin-1")]
    frame = pd.DataFrame({"id": [1, 2, 3, 2, 4], "cif": cifs, "gap": ["1", "1,5", "3", "4", True]})
    frame["gap"] = frame["gap"].astype(str)
    frame.to_parquet(tmp_path / "t.parquet")
    source = {"kind": "table", "path": str(tmp_path / "t.parquet")}
    values, told = read(tmp_path, source)
    assert set(values) == {"1", "2", "4"}
    assert (values["1"], values["4"]) == (1, 1)
    assert told["3", "rejected"] == "the CIF is empty"
    assert told["2", "rejected"] == "an earlier crystal has the same id"
    assert "several rows, which differ" in told["2", "no label"]
    pd.DataFrame({"id": [1, 2], "cif": [1.5, 2.5], "gap": [1, 2]}).to_parquet(
        tmp_path / "t.parquet"
    )
    with pytest.raises(TooManyRejected, match="2 x the CIF is not text"):
        read(tmp_path, source)


@pytest.mark.parametrize(
    ("cell", "value"),
    [(b" 1.5 ", 1.5), ("-2", -2), (3, 3), (True, 1), ("FALSE", 0), (np.float32(0.5), 0.5),
     ("1e-3", 0.001), (None, None), (float("nan"), None), ("NaN", None), ("N/A", None), ("", None)],
)  # fmt: skip
def test_label_values(cell, value):
    assert label_value(cell) == value


@pytest.mark.parametrize(
    "cell", ["1,000", "1.5.", "five", "1 2", float("inf"), 10**400, [1.0], "0x10", "1e", "-"]
)
def test_unreadable_label_values(cell):
    with pytest.raises(UnreadableLabel):
        label_value(cell)
