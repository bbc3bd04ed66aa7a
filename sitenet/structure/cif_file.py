"""Reading the file of a CIF, whatever lies at its path."""

from pathlib import Path

from sitenet.structure.cif import LARGEST_FILE, too_large
from sitenet.structure.rejection import RejectedCrystal


def cif_bytes(path: Path) -> bytes:
    """Content of a CIF file.

    Raises:
        RejectedCrystal: there is no such file, or it is a folder, a device, larger than 16 MiB or
            cannot be read.
    """
    try:
        if path.is_dir():
            raise RejectedCrystal("this is a folder, not a file")
        if not path.is_file():
            exists = path.exists()
            raise RejectedCrystal("this is not a file" if exists else "there is no such file")
        if (size := path.stat().st_size) > LARGEST_FILE:
            raise too_large(size)
        return path.read_bytes()
    except OSError as error:
        raise RejectedCrystal(f"the file cannot be read: {error.strerror}") from None
