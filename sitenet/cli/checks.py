"""What a command checks before its work: where results go."""

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryFile

REFUSED = 2
"""Exit code of a command that could not use all crystals."""


def check_output(out: Path | None, given: Iterable[str]) -> None:
    """Raise OSError unless the file `out` can be written and is none of those `given`."""
    if out is None:
        return
    if out.is_dir():
        raise OSError(f"--out {out} is a folder: give the name of a file")
    check_folder(out.parent)
    if out.exists() and any(path.exists() and path.samefile(out) for path in map(Path, given)):
        raise OSError(f"--out {out} is one of the files to be read, which would be overwritten")


def check_folder(folder: Path) -> None:
    """Raise OSError unless files can be written to a folder."""
    if not folder.is_dir():
        problem = "is no folder" if folder.exists() else "does not exist"
        raise OSError(f"the folder {folder} of --out {problem}: make it, or give another")
    try:
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(f"the folder {folder} of --out is not writable: {error.strerror}") from None
