"""From sources to structures.parquet and rejected.csv."""

import csv
import os
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hostile import check_or_die

from sitenet.options.datasets import LabelSettings, SourceSettings
from sitenet.parallel import ordered_map
from sitenet.sources.cif_writer import write_cif
from sitenet.sources.collect import collect
from sitenet.sources.label_table import write_labels
from sitenet.sources.records import RawRecord, Rejection, SourceError
from sitenet.sources.rejection_limit import TooManyRejected, failed_list
from sitenet.sources.structure_table import read_structures, rows_offered
from sitenet.structure.cif import read_cif

TASKS = {
    "gap": {"column": "gap_eV", "unit": "eV"},
    "energy": {"column": "energy", "unit": "eV/atom"},
}
OFFERED = {"kind": "prototypes"}  # whose records the fixture `offer` replaces


def salt(a=5.6, metal="Na", share=1.0):
    frac = [[0, 0, 0], [0.5, 0.5, 0.5]]
    return write_cif("x", np.eye(3) * a, [metal, "Cl"], frac, occupancy=[share, 1])


def settings(source, allowed=1.0, tasks=TASKS):
    """Settings of the source, and of the labels of each task."""
    whole = SourceSettings.from_dict(
        {"dataset": "mine", "source": source, "max_rejected_fraction": allowed}
    )
    labels = [LabelSettings("mine", whole.source, name, t["column"]) for name, t in tasks.items()]
    return whole, labels


def run(tmp_path, chosen, workers=1):
    """structures.parquet as a data frame with the labels, and the rows of all lists."""
    (whole, labels), structures = chosen, tmp_path / "structures.parquet"
    lists = [tmp_path / "rejected.csv"]
    collect(whole, structures, lists[0], workers)
    table = read_structures(structures).to_pandas()
    for one in labels:
        out, listing = tmp_path / f"{one.task}.parquet", tmp_path / f"{one.task}.rejected.csv"
        write_labels(one, structures, out, listing)
        lists.append(listing)
        own = pd.read_parquet(out)
        assert own.id.tolist() == table.id.tolist()
        table = table.assign(**{name: own[name] for name in own.columns.difference(table.columns)})
    rejected = []
    for listing in lists:
        with listing.open(newline="") as file:
            rejected += list(csv.DictReader(file))
    return table, rejected


@pytest.fixture
def offer(monkeypatch):
    """Make collect read these records."""

    def use(*records):
        monkeypatch.setattr(
            "sitenet.sources.collect.open_source", lambda _: (iter(records), len(records))
        )

    return use


def record(name, cif=None, gap=1.0, energy=-1.0, **extra):
    return RawRecord(name, cif or salt(), {"gap_eV": gap, "energy": energy}, extra, f"row {name}")


def test_columns(tmp_path, offer):
    offer(record("a", gap=0.5, parent="p"), record("b", salt(metal="D"), parent="q"))
    table, rejected = run(tmp_path, settings(OFFERED))
    assert [r["kind"] for r in rejected] == ["noted"]
    row = table.iloc[0]
    assert (row.id, row.formula, row.n_sites, row.gap, row.parent) == ("a", "NaCl", 2, 0.5, "p")
    np.testing.assert_allclose(row.lattice.reshape(3, 3), np.eye(3) * 5.6, atol=1e-12)
    assert row.numbers.tolist() == [11, 17]
    assert row.frac.tolist() == [0, 0, 0, 0.5, 0.5, 0.5]
    assert row.oxidation_given.tolist() == [0, 0]
    assert row.cif == salt()
    assert table.note.tolist() == ["", "1 D read as H"]
    schema = pq.read_schema(tmp_path / "structures.parquet")
    assert schema.field("numbers").type == pa.list_(pa.int16())


def test_a_crystal_that_ends_its_process_is_listed(tmp_path, offer, monkeypatch):
    monkeypatch.setattr("sitenet.sources.collect.check_record", check_or_die)
    offer(record("a"), record("deadly"), record("b"))
    table, rejected = run(tmp_path, settings(OFFERED, tasks={}))
    assert table.id.tolist() == ["a", "b"]
    assert [(r["id"], r["where"]) for r in rejected] == [("deadly", "row deadly")]
    assert "signal 9 (SIGKILL)" in rejected[0]["reason"]


def test_what_is_unusable_is_listed_and_the_run_goes_on(tmp_path, offer):
    bad_ids = ["a/b", "a\\b", "..", "", "x" * 201, "a\nb", " "]
    offer(
        *(record(name) for name in bad_ids),
        record("good", energy=None),
        record("partial", salt(share=0.5)),
        record("empty", "\n"),
        record("bytes", salt().encode() + b"\xff"),
        record("good", salt(6)),
        record("unlabelled", gap=float("nan"), energy=None),
        record("infinite", gap=float("inf")),
        Rejection("source", "the source says no", "file"),
    )
    table, rejected = run(tmp_path, settings(OFFERED))
    assert table.id.tolist() == ["good", "unlabelled", "infinite"]
    assert table.row.tolist() == [7, 12, 13]
    assert table.gap.isna().tolist() == [False, True, True]
    assert table.energy.isna().tolist() == [True, True, False]
    assert rows_offered(tmp_path / "structures.parquet") == 15
    assert [r["reason"] for r in rejected if r["id"] == "good"] == [
        "an earlier crystal has the same id",
        "no value for energy (not used for this task)",
    ]
    reasons = {r["id"]: r["reason"] for r in rejected}
    assert "partial occupancy" in reasons["partial"]
    assert reasons["empty"] == "the CIF is empty"
    assert "malformed CIF" in reasons["bytes"]
    assert reasons["unlabelled"] == "no value for energy (not used for this task)"
    assert reasons["infinite"] == "gap: 'inf' is not a finite number (not used for this task)"
    assert reasons["source"] == "the source says no"
    assert "contains /" in reasons["a/b"]
    assert "control character" in reasons[ascii("a\nb")]
    assert len(rejected) == len(bad_ids) + 9
    assert all(r["where"] for r in rejected if "this task" not in r["reason"])


def test_too_many_rejected(tmp_path, offer):
    offer(*(record(f"p{k}", salt(share=0.1 * k)) for k in (1, 2, 3)), record("good"))
    with pytest.raises(TooManyRejected) as caught:
        run(tmp_path, settings(OFFERED, allowed=0.5))
    kept = failed_list(tmp_path / "rejected.csv")
    for part in ("3 of 4", "75.0%", "50.0%", "partial occupancy", "3 x", str(kept)):
        assert part in str(caught.value)
    assert "datasets.mine.max_rejected_fraction" in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == [kept.name]
    assert len(pd.read_csv(kept)) == 3
    offer(*(record(f"p{k}", salt(share=0.1 * k)) for k in (1, 2)), record("good"), record("two"))
    table, _ = run(tmp_path, settings(OFFERED, allowed=0.5))
    assert len(table) == 2
    assert not kept.exists()


def test_missing_values_of_one_task_are_no_rejections(tmp_path, offer):
    offer(*(record(str(k), gap=1.0 if k else None) for k in range(4)))
    table, rejected = run(tmp_path, settings(OFFERED, allowed=0.0))
    assert len(table) == 4
    assert [r["id"] for r in rejected] == ["0"]
    offer(*(record(str(k), gap=None) for k in range(4)))
    with pytest.raises(SourceError, match=r"number in the column 'gap_eV': correct datasets\.mine"):
        run(tmp_path, settings(OFFERED, allowed=0.0))


def test_nothing_usable(tmp_path, offer):
    offer(record("a", salt(metal="Fm")), record("b", salt(metal="Md")))
    with pytest.raises(TooManyRejected, match=r"2 x … \(Z = …\) is too heavy"):
        run(tmp_path, settings(OFFERED))
    offer(record("a", "nonsense"))
    with pytest.raises(TooManyRejected, match="not a CIF"):
        run(tmp_path, settings(OFFERED))
    offer()
    with pytest.raises(SourceError, match="offers no crystals"):
        run(tmp_path, settings(OFFERED))


def test_a_task_cannot_be_named_like_a_column(tmp_path, offer):
    offer(record("a"))
    with pytest.raises(SourceError, match="two columns would be called note"):
        run(
            tmp_path,
            settings(OFFERED, tasks={"note": {"column": "gap_eV", "unit": ""}}),
        )


def test_rows_of_several_row_groups(tmp_path, offer, monkeypatch):
    monkeypatch.setattr("sitenet.sources.structure_writer.ROW_GROUP", 3)
    offer(*(record(f"c{k}", salt(5 + k / 10)) for k in range(8)))
    table, _ = run(tmp_path, settings(OFFERED))
    path = tmp_path / "structures.parquet"
    assert pq.ParquetFile(path).num_row_groups == 3
    for first, last in ((0, 8), (2, 4), (3, 6), (7, 8), (5, 5), (0, 0), (8, 8)):
        part = read_structures(path, ["id"], (first, last)).column("id").to_pylist()
        assert part == table.id[first:last].tolist()


def test_parquet_table_with_selection(tmp_path):
    frame = pd.DataFrame({"id": ["a", "b", "c"], "cif": [salt(), salt(6), salt(7)]})
    frame = frame.assign(gap_eV=[1, 2, None], energy=[0.1, 0.2, 0.3], colour=["red", None, "blue"])
    frame.to_parquet(tmp_path / "t.parquet")
    (tmp_path / "ids.csv").write_text("id,split\nc,test\na,train\nzz,train\n")
    source = {"kind": "table", "path": str(tmp_path / "t.parquet"), "extra": ["colour"]}
    table, _ = run(tmp_path, settings(source))
    assert table.id.tolist() == ["a", "b", "c"]
    assert table.colour.tolist() == ["red", "", "blue"]
    table, rejected = run(tmp_path, settings(source | {"ids": {"path": tmp_path / "ids.csv"}}))
    assert table.id.tolist() == ["a", "c"]
    assert table.split.tolist() == ["train", "test"]
    assert table.row.tolist() == [0, 1]
    assert {r["id"]: r["where"] for r in rejected} == {"c": "t.parquet, row 3", "zz": "t.parquet"}
    assert {r["id"]: r["reason"] for r in rejected}["zz"].startswith("listed in")


def test_csv_like_mp20(tmp_path):
    frame = pd.DataFrame(
        {
            "material_id": ["mp-1", "mp-2", "mp-3"],
            "formation_energy_per_atom": ["-1.5", "", "nan"],
            "band_gap": [0, 1.25, "none"],
            "cif": [salt(), salt(6).replace("data_x", "data_x,y"), salt(7)],
        }
    )
    frame.to_csv(tmp_path / "mp20.csv")
    with (tmp_path / "mp20.csv").open("ab") as file:
        file.write(b'3,mp-4,1,1\n4,mp-5,-1,3,"caf\xe9"\n')
    tasks = {
        "e_form": {"column": "formation_energy_per_atom", "unit": "eV/atom"},
        "gap": {"column": "band_gap", "unit": "eV"},
    }
    source = {"kind": "table", "path": str(tmp_path / "mp20.csv")}
    table, rejected = run(tmp_path, settings(source, tasks=tasks))
    assert table.id.tolist() == ["mp-1", "mp-2", "mp-3"]
    assert table.gap.tolist()[:2] == [0, 1.25]
    assert table.e_form[0] == -1.5
    assert table.e_form.isna().tolist() == [False, True, True]
    reasons = {r["id"]: r["reason"] for r in rejected}
    assert reasons["mp-3"].endswith("(not used for this task)")
    assert "not a CIF" in reasons["mp-5"]
    assert reasons["unknown"] == "the row has 4 cells instead of 5"


def test_table_errors(tmp_path):
    path = tmp_path / "t.parquet"
    with pytest.raises(SourceError, match="no file"):
        run(tmp_path, settings({"kind": "table", "path": path}))
    pd.DataFrame({"id": ["a"], "cif": [salt()]}).to_parquet(path)
    with pytest.raises(SourceError, match="no column 'gap_eV'; it has id, cif"):
        run(tmp_path, settings({"kind": "table", "path": path}))
    path.write_bytes(b"not parquet")
    with pytest.raises(SourceError, match="cannot be read"):
        run(tmp_path, settings({"kind": "table", "path": path}))
    with pytest.raises(SourceError, match=r"\.parquet or \.csv"):
        run(tmp_path, settings({"kind": "table", "path": __file__}))
    with pytest.raises(ValueError, match=r"kind must be one of prototypes, .*, not 'web'"):
        settings({"kind": "web"})


GAP = {"gap": {"column": "gap", "unit": "eV"}}


def test_folder_like_cgcnn(tmp_path):
    folder = tmp_path / "cifs"
    folder.mkdir()
    for name in ("b", "a", "c"):
        (folder / f"{name}.cif").write_text(salt())
    (folder / "a.cif").write_bytes(b"\xff\xfe")
    (folder / "id_prop.csv").write_text("a,1\nb,0.5\nb,0.5\n../b,3\nd,4\n")
    table, rejected = run(tmp_path, settings({"kind": "cif_folder", "path": folder}, tasks=GAP))
    assert table.id.tolist() == ["b"]
    assert table.gap.tolist() == [0.5]
    reasons = {r["id"]: r["reason"] for r in rejected}
    assert reasons["b"] == "a second row of labels"
    assert reasons["a"] == "the CIF is empty"
    assert reasons["c"] == "no row in id_prop.csv"
    assert reasons["d"] == reasons["../b"] == "listed in id_prop.csv, but there is no such CIF file"


def test_folder_without_labels(tmp_path):
    """All files are taken, and no list is read that happens to be there."""
    for name in ("b", "a"):
        (tmp_path / f"{name}.cif").write_text(salt())
    (tmp_path / "c.cif").write_bytes(b"")
    (tmp_path / "id_prop.csv").write_text("a,1\n")
    source = {"kind": "cif_folder", "path": tmp_path, "labelled": False}
    table, rejected = run(tmp_path, settings(source, tasks={}))
    assert table.id.tolist() == ["a", "b"]
    assert [(r["id"], r["reason"]) for r in rejected] == [("c", "the CIF is empty")]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_folder_with_a_table(tmp_path, ending):
    (tmp_path / "a.cif").write_text(salt())
    labels = tmp_path / f"labels.{ending}"
    frame = pd.DataFrame({"file": ["a.cif"], "gap_eV": [2.5], "energy": [-3], "split": ["val"]})
    frame.to_csv(labels, index=False) if ending == "csv" else frame.to_parquet(labels)
    source = {"kind": "cif_folder", "path": tmp_path, "labels": labels, "extra": ["split"]}
    table, rejected = run(tmp_path, settings(source))
    assert rejected == []
    assert table[["id", "gap", "energy", "split"]].values.tolist() == [["a", 2.5, -3, "val"]]


def test_a_folder_that_is_missing(tmp_path):
    with pytest.raises(SourceError, match="no folder"):
        run(tmp_path, settings({"kind": "cif_folder", "path": tmp_path / "no"}))


def test_number_of_workers_does_not_matter(tmp_path, shared):
    split = pd.read_csv(shared / "data" / "mp5k_split.csv").head(250)
    split.to_csv(tmp_path / "ids.csv", index=False)
    source = {"kind": "table", "path": shared / "data" / "mp_33k.parquet"}
    source["ids"] = {"path": tmp_path / "ids.csv"}
    tasks = {"gap": {"column": "band_gap_eV", "unit": "eV"}}
    files = []
    for workers in (1, 2):
        table, rejected = run(tmp_path, settings(source, tasks=tasks), workers)
        files.append((tmp_path / "structures.parquet").read_bytes())
    assert files[0] == files[1]
    assert rejected == []
    assert sorted(table.id) == sorted(split.id)
    row = table.iloc[17]
    np.testing.assert_array_equal(read_cif(row.cif).frac.ravel(), row.frac)


def test_workers_do_not_run_the_script_that_starts_them(tmp_path):
    """As a script of a workflow runs: no guard, work of an importable module."""
    script = tmp_path / "script.py"
    script.write_text(
        "from sitenet.parallel import ordered_map\n"
        "print('started')\n"
        "print(list(ordered_map(abs, range(-20, 0), 2)))\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n", 1)[0] == "started"
    assert done.stdout.count("started") == 1
    assert str(list(range(20, 0, -1))) in done.stdout


def test_an_error_in_a_worker_comes_out():
    with pytest.raises(TypeError, match="bad operand"):
        list(ordered_map(abs, [1, -2, "three", 4], 2))


def test_workers_end_when_the_job_that_started_them_is_killed():
    script = (
        "import time, multiprocessing\n"
        "from sitenet.parallel import ordered_map\n"
        "for _ in ordered_map(time.sleep, [0, 0, 60, 60], 2):\n"
        "    print(*(child.pid for child in multiprocessing.active_children()), flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as job:
        workers = [int(pid) for pid in job.stdout.readline().split()]
        assert len(workers) == 2
        job.kill()
    deadline = time.monotonic() + 20
    while any(is_running(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(is_running(pid) for pid in workers)


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
