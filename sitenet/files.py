"""Files that are either whole or absent."""

import errno
import glob
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""What the system says where a file cannot grow: disk, quota or largest size of a file."""


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block succeeds.

    A reader never sees a half-written file, and a killed writer leaves `path` as it was; its
    temporary file is removed by the next. Raises OSError, with advice if the disk is full.
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
    """Remove temporary files of writers on this machine that live no more."""
    for left in folder.glob(f"{glob.escape(beginning)}.*.part"):
        try:
            os.kill(int(left.name.split(".")[-2]), 0)
        except ProcessLookupError:
            left.unlink(missing_ok=True)
        except PermissionError:
            continue


@contextmanager
def room_in(folder: Path) -> Iterator[None]:
    """Say what to do if the block finds no room for its files in `folder`."""
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
    """Write a text file, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text)


def write_json(path: str | Path, content: Any) -> None:
    """Write `content` as indented JSON, atomically; NaN and infinity are refused."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file."""
    return json.loads(Path(path).read_text())
