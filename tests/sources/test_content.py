"""Fingerprints of sources: of the content, whatever the times of the files say."""

import os
from pathlib import Path

import pandas as pd
import pytest

from sitenet.options.datasets import CifFolderSource, IdList, TableSource
from sitenet.sources import content
from sitenet.sources.content import Contents


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three files and two labels of each."""
    for name in "abc":
        (tmp_path / f"{name}.cif").write_text(f"data_{name}\n")
    (tmp_path / "labels.csv").write_text("id,e,gap,split\na,1,2,train\nb,3,4,test\nc,5,6,val\n")
    return tmp_path


def overwrite(path: Path, old: str, new: str) -> None:
    """Change the content of a file, and neither its size nor the times that a user can set."""
    before, above = path.stat(), path.parent.stat()
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    os.utime(path.parent, ns=(above.st_atime_ns, above.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def changed(folder: Path, source: CifFolderSource | TableSource, change) -> set[str]:
    """What a change makes stale."""
    cache = folder / "cache"

    def found() -> dict[str, str]:
        contents = Contents(cache)
        labels = {name: contents.labels(source, name) for name in ("e", "gap")}
        return {"crystals": contents.crystals(source), **labels}

    before = found()
    assert found() == before
    change()
    return {name for name, value in found().items() if value != before[name]}


@pytest.fixture(params=[0, content.YOUNG], ids=["cached", "young"])
def age(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that are kept in the cache at once, and files that are too young for it."""
    monkeypatch.setattr(content, "YOUNG", request.param)


@pytest.mark.parametrize(
    ("file", "old", "new", "stale"),
    [
        ("b.cif", "data_b", "data_d", {"crystals"}),
        ("labels.csv", "3,4", "3,7", {"gap"}),
        ("labels.csv", "3,4", "9,4", {"e"}),
        ("labels.csv", "val", "tes", {"e", "gap"}),
        ("labels.csv", "b,", "d,", {"crystals", "e", "gap"}),
        ("b.cif", "data_b", "data_b", set()),
    ],
)
@pytest.mark.usefixtures("age")
def test_a_change_in_place(folder: Path, file: str, old: str, new: str, stale: set[str]) -> None:
    source = CifFolderSource(path=str(folder), labels=str(folder / "labels.csv"), extra=("split",))
    assert changed(folder, source, lambda: overwrite(folder / file, old, new)) == stale


@pytest.mark.usefixtures("age")
def test_files_that_come_and_go(folder: Path) -> None:
    source = CifFolderSource(path=str(folder), labels=str(folder / "labels.csv"))
    assert changed(folder, source, lambda: (folder / "d.cif").write_text("x")) == {"crystals"}
    assert changed(folder, source, (folder / "d.cif").unlink) == {"crystals"}
    assert changed(folder, source, lambda: (folder / "b.cif").touch()) == set()
    assert changed(folder, source, lambda: (folder / "notes.txt").touch()) == set()


def test_a_list_without_a_header(folder: Path) -> None:
    listing = folder / "id_prop.csv"
    listing.write_text("a,1\nb,2\n")
    source = CifFolderSource(path=str(folder))
    assert changed(folder, source, lambda: overwrite(listing, "b,2", "b,3")) == {"e", "gap"}
    stale = changed(folder, source, lambda: overwrite(listing, "b,3", "c,3"))
    assert stale == {"crystals", "e", "gap"}


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_table(folder: Path, kind: str) -> None:
    """By columns, so that only what is made from them is stale; others may change at will."""
    path, ids = folder / f"t.{kind}", folder / "ids.csv"
    ids.write_text("id,split\na,train\nb,test\n")
    frame = pd.read_csv(folder / "labels.csv").drop(columns="split")
    frame = frame.assign(cif=["data_a", "data_b", "data_c"], other=0)

    def write(**columns: list) -> None:
        new = frame.assign(**columns)
        new.to_csv(path, index=False) if kind == "csv" else new.to_parquet(path)

    write()
    source = TableSource(path=str(path), ids=IdList(path=str(ids)))
    assert changed(folder, source, lambda: write(other=[1, 2, 3])) == set()
    assert changed(folder, source, lambda: write(e=[1, 3, 7])) == {"e"}
    assert changed(folder, source, lambda: write(cif=["", "", ""])) == {"crystals", "e"}
    assert changed(folder, source, lambda: overwrite(ids, "test", "vals")) == {"e", "gap"}
    assert changed(folder, source, lambda: overwrite(ids, "b,", "c,")) == {"crystals", "e", "gap"}


def test_files_that_did_not_change_are_not_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "YOUNG", 0)
    source = CifFolderSource(path=str(folder), labels=str(folder / "labels.csv"))
    contents = Contents(folder / "cache")
    before = contents.crystals(source), contents.labels(source, "e")
    (folder / "b.cif").touch()
    read: list[str] = []
    whole = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda p: read.append(p.name) or whole(p))
    monkeypatch.setattr(content, "raw_columns", lambda *_: pytest.fail("the table was read"))
    assert (contents.crystals(source), contents.labels(source, "e")) == before
    assert read == ["b.cif"]


def test_a_damaged_cache_is_no_obstacle(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "YOUNG", 0)
    source = CifFolderSource(path=str(folder), labels=str(folder / "labels.csv"))
    before = Contents(folder / "cache").crystals(source)
    for file in (folder / "cache").iterdir():
        file.write_text("[1")
    assert Contents(folder / "cache").crystals(source) == before
