"""The Matbench source: a small file in Matbench's format, served from this machine."""

import gzip
import hashlib
import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from sitenet.options.datasets import MatbenchSource
from sitenet.sources import matbench
from sitenet.sources.matbench import records, split_items, structure_cif, tasks
from sitenet.sources.records import RawRecord, Rejection
from sitenet.structure.cif import read_cif
from sitenet.structure.rejection import RejectedCrystal

TRICLINIC = Lattice([[4.1, 0.2, -0.3], [1.7, 5.3, 0.4], [-0.9, 1.1, 6.6]])
ORDERED = Structure(
    TRICLINIC,
    ["Ti", "O", "O", "Cs"],
    [[0.123456789012, 1 / 3, 2 / 3], [0.5, 0.1, 0.9], [0.7, 0.4, 0.2], [0.01, 0.72, 0.48]],
)
SHARED = Structure(TRICLINIC, [{"Cu": 0.5, "Au": 0.5}, "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])
CHARGED = Structure(TRICLINIC, ["Na+", "Cl-"], [[0, 0, 0], [0.5, 0.5, 0.5]])


def packed(rows: list[list], column: str = "gap pbe") -> bytes:
    table = {"index": list(range(len(rows))), "columns": ["structure", column], "data": rows}
    return gzip.compress(json.dumps(table).encode())


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator:
    """A function that makes a `source` whose url is a server with the given bytes."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    content = {}

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content["bytes"])))
            self.end_headers()
            self.wfile.write(content["bytes"])

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()

        def source(body: bytes, folder: Path, task: str = "matbench_mp_gap") -> MatbenchSource:
            content["bytes"] = body
            return MatbenchSource(
                task=task,
                url=f"http://127.0.0.1:{server.server_address[1]}/small.json.gz",
                sha256=hashlib.sha256(body).hexdigest(),
                cache=str(folder),
            )

        yield source
        server.shutdown()
        thread.join(5)


def test_records_in_file_order_with_matbench_ids(serve, tmp_path: Path) -> None:
    values = [0.0, 1.25, 3.5] * 4
    body = packed([[ORDERED.as_dict(), value] for value in values])
    found = list(records(serve(body, tmp_path / "cache")))
    assert [r.id for r in found[:2] + found[-1:]] == [
        "mb-mp-gap-01",
        "mb-mp-gap-02",
        "mb-mp-gap-12",
    ]
    assert [r.labels for r in found] == [{"gap pbe": value} for value in values]
    assert (tmp_path / "cache" / "small.json.gz").read_bytes() == body
    crystal = read_cif(found[5].cif)
    gram = ORDERED.lattice.matrix @ ORDERED.lattice.matrix.T
    np.testing.assert_allclose(crystal.lattice @ crystal.lattice.T, gram, rtol=1e-10, atol=1e-9)
    order, wanted = np.argsort(crystal.frac[:, 0]), np.argsort(ORDERED.frac_coords[:, 0])
    assert (crystal.numbers[order] == np.array(ORDERED.atomic_numbers)[wanted]).all()
    np.testing.assert_allclose(crystal.frac[order], ORDERED.frac_coords[wanted], atol=1e-11)


def test_truth_values_missing_values_and_broken_entries(serve, tmp_path: Path) -> None:
    entries = [
        [ORDERED.as_dict(), True],
        [ORDERED.as_dict(), None],
        [{"lattice": {}}, False],
        [ORDERED.as_dict(), "metal"],
    ]
    source = serve(packed(entries, "is_metal"), tmp_path, "matbench_mp_is_metal")
    metal, missing, broken, text = records(source)
    assert isinstance(metal, RawRecord)
    assert metal.labels == {"is_metal": 1.0}
    assert isinstance(missing, RawRecord)
    assert missing.labels == {"is_metal": None}
    assert isinstance(broken, Rejection)
    assert "malformed" in broken.reason
    assert isinstance(text, Rejection)
    assert text.where == "small.json.gz, item 4"


def test_shared_sites_are_left_for_the_reader_to_reject() -> None:
    with pytest.raises(RejectedCrystal, match="occup"):
        read_cif(structure_cif("alloy", SHARED.as_dict()))


def test_charges_are_kept() -> None:
    crystal = read_cif(structure_cif("salt", CHARGED.as_dict()))
    assert dict(zip(crystal.numbers, crystal.oxidation, strict=True)) == {11: 1.0, 17: -1.0}


def test_official_tasks() -> None:
    gap = tasks()["matbench_mp_gap"]
    assert gap.target == "gap pbe"
    assert gap.url.startswith("https://")
    assert len(gap.sha256) == 64
    assert len(tasks()) == 9
    assert all(task.target != "composition" for task in tasks().values())


def test_unknown_task_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"matbench_steels.*matbench_phonons"):
        records(MatbenchSource(task="matbench_steels", cache="nowhere"))


def test_wrong_column_and_order_are_refused(serve, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="gap pbe"):
        list(records(serve(packed([[ORDERED.as_dict(), 1.0]], "e_form"), tmp_path / "a")))
    body = gzip.compress(json.dumps({"data": [[1, 2]], "index": [0], "columns": []}).encode())
    with pytest.raises(ValueError, match="before index"):
        list(records(serve(body, tmp_path / "b")))


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_stream_parser_at_any_chunk_size(monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(matbench, "CHUNK", chunk)
    table = {"index": [0, 1, 22], "columns": ["a, ]", "b"], "data": [[{"x": "]}"}, 1.5], [[], -2]]}
    for indent in (None, 1):
        items = list(split_items(io.StringIO(json.dumps(table, indent=indent))))
        assert items == [
            ("index", table["index"]),
            ("columns", table["columns"]),
            ("data", table["data"][0]),
            ("data", table["data"][1]),
        ]
    assert list(split_items(io.StringIO('{"data": [ ], "index": []}'))) == [("index", [])]


@pytest.mark.parametrize("text", ['{"data": [[1, 2], [3', '{"data": [[1]]', "", "[1]", '{"a" 1}'])
def test_stream_parser_refuses_broken_text(text: str) -> None:
    with pytest.raises(ValueError, match="JSON"):
        list(split_items(io.StringIO(text)))
