"""What a command checks before its work: where results go; and what it tells of unused files."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryFile

from sitenet.progress import log

NOTHING_USED = 2
"""Exit code of a command that could use none of the files."""

TOLD = 20
"""Files that cannot be used that are told on the terminal; the table has them all."""


def check_output(out: Path | None, given: Iterable[Path]) -> None:
    """Raise OSError unless the file `out` can be written and is none of those `given`."""
    if out is None:
        return
    if out.is_dir():
        raise OSError(f"--out {out} is a folder: give the name of a file")
    check_folder(out.parent)
    if any(path.exists() and out.exists() and path.samefile(out) for path in given):
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


def exit_code(problems: Sequence[tuple[str, str]], files: int) -> int:
    """Tell files that could not be used, as (file, problem); the exit code of the command."""
    for file, problem in problems[:TOLD]:
        log.warning(f"{file}: {problem}")
    if len(problems) > TOLD:
        log.warning(f"and {len(problems) - TOLD:,} more, with their reasons in the table")
    if problems:
        log.warning(f"{len(problems):,} of {files:,} files could not be used")
    return NOTHING_USED if len(problems) == files else 0
