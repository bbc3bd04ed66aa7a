"""Source `matbench`: structure tasks of Matbench v0.1, with one record per crystal in file order.

A. Dunn et al., npj Comput. Mater. 6 (2020) 138, doi:10.1038/s41524-020-00406-3. Addresses,
checksums, sizes and column names are those listed in matminer. The file is gzipped JSON,
`{"index": [...], "columns": ["structure", target], "data": [[structure, value], ...]}` with
pymatgen's dictionary for each structure. It is parsed as a stream, item by item: as objects, the
largest task would take many gigabytes.
"""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

import numpy as np

from sitenet.files import read_json
from sitenet.options.datasets import MatbenchSource
from sitenet.sources.cif_writer import write_cif
from sitenet.sources.download import download
from sitenet.sources.records import RawRecord, Rejection

CHUNK = 2**20
"""Characters read at a time."""

LARGEST_ITEM = 2**26
"""Largest number of characters of a structure or of the index; more means invalid JSON."""


@dataclass(frozen=True)
class MatbenchFile:
    """Metadata of a task in matminer: address and SHA-256 of its file, target column, length."""

    name: str
    url: str
    sha256: str
    target: str
    entries: int


def tasks() -> dict[str, MatbenchFile]:
    """The tasks of Matbench v0.1 whose input is a crystal structure, by name."""
    package = find_spec("matminer")  # not imported, which would take seconds
    if package is None or package.origin is None:
        raise ModuleNotFoundError("the package matminer, which lists the Matbench files")
    metadata = read_json(Path(package.origin).parent / "datasets" / "dataset_metadata.json")
    return {
        name: MatbenchFile(
            name,
            entry["url"],
            entry["hash"],
            next(column for column in entry["columns"] if column != "structure"),
            entry["num_entries"],
        )
        for name, entry in metadata.items()
        if name.startswith("matbench_") and "structure" in entry["columns"]
    }


def count(source: MatbenchSource) -> int:
    """Number of records; 0 for a file with another checksum, or an unknown task."""
    task = tasks().get(source.task)
    return task.entries if task and not source.sha256 else 0


def records(source: MatbenchSource) -> Iterator[RawRecord | Rejection]:
    """Yield the crystals of a task in the order of its file, on which the official folds depend.

    Ids are those of Matbench, such as `mb-mp-gap-000001`. The label has the name of the file's
    target column, such as `gap pbe`; boolean values become 0 and 1.

    Raises:
        ValueError: the task is unknown, or the file is not in Matbench's format.
        DownloadError: the file could not be downloaded.
    """
    known = tasks()
    if source.task not in known:
        raise ValueError(f"no Matbench task {source.task!r}; there are {', '.join(known)}")
    task = known[source.task]
    url = source.url or task.url
    path = Path(source.cache) / url.rsplit("/", 1)[-1]
    download(url, source.sha256 or task.sha256, path, source.mirrors)
    return _read(path, task)


def _read(path: Path, task: MatbenchFile) -> Iterator[RawRecord | Rejection]:
    columns: list[str] | None = None
    digits, number = 0, 0
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for key, value in split_items(file):
            if key == "index":
                digits = len(str(len(value)))
            elif key == "columns":
                columns = value
                if task.target not in value or "structure" not in value:
                    raise ValueError(f"{path}: columns {value} lack structure or {task.target!r}")
            elif key == "data" and columns and digits:
                number += 1
                name = (
                    f"{task.name.replace('matbench', 'mb').replace('_', '-')}-{number:0{digits}d}"
                )
                yield _record(name, dict(zip(columns, value, strict=True)), task, path, number)
            elif key == "data":
                raise ValueError(f"{path}: data come before index and columns")


def _record(
    name: str, row: dict[str, Any], task: MatbenchFile, path: Path, number: int
) -> RawRecord | Rejection:
    where = f"{path.name}, item {number}"
    value = row[task.target]
    try:
        cif = structure_cif(name, row["structure"])
        labels = {task.target: None if value is None else float(value)}
    except (KeyError, TypeError, ValueError, IndexError) as problem:
        return Rejection(name, f"malformed entry ({type(problem).__name__}: {problem})", where)
    return RawRecord(id=name, cif=cif, labels=labels, extra={}, where=where)


def structure_cif(name: str, structure: dict[str, Any]) -> str:
    """CIF text (P1, 12 decimals) of a structure in pymatgen's dictionary form.

    A site shared by several elements is written as one line for each with its occupancy, so that
    the CIF reader rejects it. Oxidation states are written if all sites have them.

    Raises:
        KeyError, TypeError, ValueError, IndexError: not a dictionary of this form.
    """
    species = [(kind, site["abc"]) for site in structure["sites"] for kind in site["species"]]
    charges = [kind.get("oxidation_state") for kind, _ in species]
    return write_cif(
        name,
        np.array(structure["lattice"]["matrix"], dtype=np.float64).reshape(3, 3),
        [kind["element"] for kind, _ in species],
        [position for _, position in species],
        None if None in charges else np.array(charges, dtype=np.float64),
        [kind["occu"] for kind, _ in species],
    )


def split_items(file: IO[str]) -> Iterator[tuple[str, Any]]:
    """Parse a JSON object from a stream, in order.

    Yields (key, value) for each key except "data", whose value is a list: (key, item) for each
    item. Raises ValueError if the text is truncated or not such an object.
    """
    scan = _Scanner(file)
    scan.expect("{")
    while True:
        key = scan.value()
        scan.expect(":")
        if key == "data":
            scan.expect("[")
            mark = scan.expect("]") if scan.peek() == "]" else ","
            while mark == ",":
                yield key, scan.value()
                mark = scan.expect(",]")
        else:
            yield key, scan.value()
        if scan.expect(",}") == "}":
            return


class _Scanner:
    """Reads punctuation and complete JSON values from a text stream."""

    def __init__(self, file: IO[str]) -> None:
        self.file, self.text, self.position = file, "", 0
        self.decoder = json.JSONDecoder()

    def _more(self) -> None:
        chunk = self.file.read(CHUNK)
        if not chunk or len(self.text) - self.position > LARGEST_ITEM:
            raise ValueError("the file ends early or is not JSON of Matbench's form")
        self.text, self.position = self.text[self.position :] + chunk, 0

    def peek(self) -> str:
        """The next character that is not whitespace."""
        while True:
            while self.position < len(self.text):
                if not self.text[self.position].isspace():
                    return self.text[self.position]
                self.position += 1
            self._more()

    def expect(self, marks: str) -> str:
        """Read the next character, which must be one of `marks`."""
        mark = self.peek()
        if mark not in marks:
            raise ValueError(f"expected one of {marks!r} in the JSON, found {mark!r}")
        self.position += 1
        return mark

    def value(self) -> Any:
        """Read a complete string, list or object."""
        self.peek()
        while True:
            try:
                value, self.position = self.decoder.raw_decode(self.text, self.position)
                return value
            except json.JSONDecodeError:
                self._more()
