"""Checkpoints on disk: written atomically, the previous one kept, damaged ones skipped."""

import io
import time
from pathlib import Path
from typing import Any

import torch

from sitenet.files import atomic_path
from sitenet.progress import log

LAST, PREVIOUS = "last.ckpt", "previous.ckpt"
CONTENT = {"model", "stepper", "rows", "best"}
"""Keys of a checkpoint: weights, optimiser and schedule, history, weights of the best epoch."""


SHARE = 0.01
"""Largest share of the time of a training that goes into its checkpoints."""


class Checkpoints:
    """Those of a training; a kill costs it a hundred times what one takes to write, or an epoch."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._last, self._seconds = time.monotonic(), 0.0

    def due(self) -> bool:
        """Whether the last one is long enough ago."""
        return (time.monotonic() - self._last) * SHARE >= self._seconds

    def save(self, content: dict[str, Any]) -> None:
        """Write one."""
        start = time.monotonic()
        save_checkpoint(content, self.folder)
        self._last = time.monotonic()
        self._seconds = self._last - start


def save_checkpoint(content: dict[str, Any], folder: Path) -> None:
    """Write LAST in `folder`; what was there is kept beside it as PREVIOUS."""
    file = io.BytesIO()  # torch reports a full disk with an error of its own type
    torch.save(content, file)
    with atomic_path(folder / LAST) as temporary:
        temporary.write_bytes(file.getbuffer())
        if (folder / LAST).exists():
            (folder / LAST).replace(folder / PREVIOUS)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint on the CPU. Raises ValueError where the file is something else."""
    content = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(content, dict) or content.keys() != CONTENT:
        raise ValueError(f"{path} is not a checkpoint of this version")
    return content


def newest_checkpoint(folder: Path, label: str) -> Path | None:
    """The newest intact checkpoint, or None. Damaged ones are logged and deleted."""
    for path in (folder / LAST, folder / PREVIOUS):
        if not path.exists():
            continue
        try:
            epochs = len(read_checkpoint(path)["rows"])
        except Exception as error:  # torch raises many types for damaged files
            log.warning(f"{path} is damaged ({type(error).__name__}): going on without it")
            path.unlink()
        else:
            log.info(f"{label}: continuing after epoch {epochs}, from {path}")
            return path
    return None
