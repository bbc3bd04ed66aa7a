"""Fingerprints of what a source holds: when they change, what was made from it is stale.

They are those of the content, not of the time of a file. A file whose status (size, times, inode)
is as it was is not read again; its fingerprint is kept in a cache. The time of the last change of
the status cannot be set by a user, so `cp -p` and `touch` do not deceive it.
"""

import csv
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from sitenet.files import read_json, write_text
from sitenet.options.datasets import CifFolderSource, TableSource
from sitenet.sources.cif_folder import HEADERLESS, cif_files, table_of_labels
from sitenet.sources.records import SourceError
from sitenet.sources.table import column_names, name_of_id, raw_columns
from sitenet.structure.cif_file import cif_bytes
from sitenet.structure.rejection import RejectedCrystal

YOUNG = 2 * 10**9
"""Nanoseconds after a change in which another one may leave the times of a file as they are."""

Files = TableSource | CifFolderSource
"""Sources that are files of the user."""

Fingerprints = dict[str, str]


class Contents:
    """Fingerprints of files; `cache` is a folder for those of earlier processes."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache

    def crystals(self, source: Files) -> str:
        """Of the ids and CIFs of a source: what its table of structures is made from.

        Raises SourceError if it cannot be read.
        """
        if isinstance(source, TableSource):
            path = Path(source.path)
            key = name_of_id(source, column_names(path))
            listed = self._columns(Path(source.ids.path), [source.ids.id]) if source.ids else None
            return digest([self._columns(path, [key, source.cif]), listed])
        table, folder = table_of_labels(source), self._folder(Path(source.path))
        if table is None:
            return digest([folder])
        if table.name == HEADERLESS:
            ids = self._list(table)["ids"]
        else:
            (ids,) = self._columns(table, [source.id or column_names(table)[0]])
        return digest([folder, ids])

    def labels(self, source: Files, column: str) -> str:
        """Of one column of labels, with the ids and the extra columns that belong to it.

        Raises SourceError if it cannot be read.
        """
        if isinstance(source, CifFolderSource):
            table = table_of_labels(source)
            if table is None:
                raise SourceError(f"{source.path} has no table of labels")
            if table.name == HEADERLESS:
                return self._list(table)["whole"]
            names = [source.id or column_names(table)[0], column, *source.extra]
            return digest([source.extra, self._columns(table, names)])
        path, joined, listed = Path(source.path), [], []
        if source.ids:
            joined = column_names(Path(source.ids.path))
            listed = self._columns(Path(source.ids.path), joined)
        extra = [name for name in source.extra if name not in joined]
        names = [name_of_id(source, column_names(path)), column, *extra]
        return digest([extra, self._columns(path, names), joined, listed])

    def _columns(self, path: Path, names: Iterable[str]) -> list[str]:
        """The fingerprints of some columns of a table."""
        wanted = list(dict.fromkeys(names))
        found = self._cached(path, wanted, lambda missing: _column_digests(path, missing))
        return [found[name] for name in wanted]

    def _list(self, path: Path) -> Fingerprints:
        """The fingerprints of a list of id and value: of its ids, and of the whole."""
        return self._cached(path, ["ids", "whole"], lambda _: _list_digests(path))

    def _cached(
        self, path: Path, names: list[str], find: Callable[[list[str]], Fingerprints]
    ) -> Fingerprints:
        """Fingerprints by name of one file; `find` gives those that are not in the cache."""
        place = self._place(path)
        status = _status(path)
        kept = _read(place)
        known: Fingerprints = kept.get("of", {}) if kept.get("status") == status else {}
        if missing := [name for name in names if name not in known]:
            known = {**known, **find(missing)}
            if status is not None and _status(path) == status:
                _write(place, {"status": status, "of": known})
        return known

    def _folder(self, folder: Path) -> str:
        """Names and content of the CIF files of a folder."""
        place = self._place(folder)
        kept = _read(place)
        files = cif_files(folder)
        status = {path.name: _status(path) for path in files}
        known = {
            name: entry
            for name, entry in kept.items()
            if name in status and entry[0] == status[name] is not None
        }
        unread = [path for path in files if path.name not in known]
        if unread or len(kept) > len(known):
            with ThreadPoolExecutor() as readers:
                contents = list(readers.map(_file_digest, unread))
            for path, content in zip(unread, contents, strict=True):
                known[path.name] = [status[path.name], content]
            _write(place, known)
        return digest([[name, content] for name, (_, content) in sorted(known.items())])

    def _place(self, path: Path) -> Path:
        return self._cache / f"content-{digest(os.path.abspath(path))[:16]}.json"


def digest(content: Any) -> str:
    """BLAKE2 in 32 hexadecimal digits of anything that JSON can hold."""
    text = json.dumps(content, default=str).encode()
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def _column_digests(path: Path, names: list[str]) -> Fingerprints:
    """Fingerprints of columns of a table, cell by cell."""
    hashes = {name: hashlib.blake2b(digest_size=16) for name in names}
    for batch in raw_columns(path, names):
        for name in names:
            for cell in batch.column(name).to_pylist():
                text = cell if isinstance(cell, bytes) else b"\0" + repr(cell).encode()
                hashes[name].update(b"%d:%b" % (len(text), text))
    return {name: found.hexdigest() for name, found in hashes.items()}


def _list_digests(path: Path) -> Fingerprints:
    content = path.read_bytes()
    lines = content.decode("utf-8", errors="surrogateescape").splitlines()
    ids = sorted(cells[0] for cells in csv.reader(lines) if cells)
    return {"ids": digest(ids), "whole": hashlib.blake2b(content, digest_size=16).hexdigest()}


def _file_digest(path: Path) -> str:
    try:
        return hashlib.blake2b(cif_bytes(path), digest_size=16).hexdigest()
    except RejectedCrystal as error:
        return error.reason  # told when the crystal is read


def _status(path: Path) -> list[int] | None:
    """What changes with every change of a file; None if it is missing or was just changed."""
    try:
        found = path.stat()
    except OSError:
        return None
    if time.time_ns() - found.st_ctime_ns < YOUNG:
        return None
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


def _read(place: Path) -> dict[str, Any]:
    """What is in the cache; empty if nothing is, or it is damaged."""
    try:
        return dict(read_json(place))
    except (OSError, ValueError, TypeError):
        return {}


def _write(place: Path, content: Mapping[str, Any]) -> None:
    """Keep `content`; failing to do so costs only time."""
    with suppress(OSError):
        write_text(place, json.dumps(content))
