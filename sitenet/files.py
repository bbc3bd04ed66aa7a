"""Where the package is, and atomic writing of files: readers see complete files or none."""

import errno
import glob
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parent
"""Folder of the package `sitenet`."""

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""Errors of the system if a file cannot grow: full disk, quota or file size limit."""


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path next to `path`, which is renamed to `path` if the block succeeds.

    Readers never see an incomplete file, and a killed writer leaves `path` unchanged; its temporary
    file is removed by the next writer. Raises OSError, with advice if the disk is full.
    """
    path = Path(path)
    with room_in(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        beginning = f".{path.name}.{socket.gethostname()}"
        _clear(path.parent, beginning)
        temporary = path.with_name(f"{beginning}.{os.getpid()}.part")
        try:
            yield temporary
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def _clear(folder: Path, beginning: str) -> None:
    """Remove temporary files of processes of this machine that no longer exist."""
    for left in folder.glob(f"{glob.escape(beginning)}.*.part"):
        try:
            os.kill(int(left.name.split(".")[-2]), 0)
        except ProcessLookupError:
            left.unlink(missing_ok=True)
        except PermissionError:
            continue


@contextmanager
def room_in(folder: Path) -> Iterator[None]:
    """Raise OSError with advice if the block runs out of disk space in `folder`."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise OSError(
            f"no room in {folder} ({os.strerror(error.errno)}): free some and run again; what is "
            "finished is kept"
        ) from error


def write_text(path: str | Path, text: str) -> None:
    """Write a text file atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text)


def write_json(path: str | Path, content: Any) -> None:
    """Write `content` as indented JSON atomically; ValueError for NaN and infinity."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file."""
    return json.loads(Path(path).read_text())
