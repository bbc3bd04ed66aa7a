"""Checkpoints on disk: written whole, the one before kept, damaged ones passed over."""

import io
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from sitenet.files import atomic_path
from sitenet.progress import log

LAST, PREVIOUS = "last.ckpt", "previous.ckpt"


class WholeCheckpoints(TorchCheckpointIO):
    """Lightning's own writing passes through the system's temporary folder and is not atomic."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        """Write `path`; what was there is kept beside it as PREVIOUS."""
        content = io.BytesIO()  # torch tells of a full disk in an error of its own kind
        torch.save(checkpoint, content)
        path = Path(path)
        with atomic_path(path) as temporary:
            temporary.write_bytes(content.getbuffer())
            if path.exists():
                path.replace(path.with_name(PREVIOUS))


def read(path: Path) -> dict[str, Any]:
    """A checkpoint on the CPU."""
    return torch.load(path, map_location="cpu", weights_only=True)


def newest(folder: Path, label: str) -> Path | None:
    """The newest checkpoint that is whole; None: start over. Says so, deletes damaged ones."""
    for path in (folder / LAST, folder / PREVIOUS):
        if not path.exists():
            continue
        try:
            epoch = read(path)["epoch"]
        except Exception as error:  # torch raises many kinds for damaged files
            log.warning(f"{path} is damaged ({type(error).__name__}): going on without it")
            path.unlink()
        else:
            log.info(f"{label}: continuing after epoch {epoch + 1}, from {path}")
            return path
    return None
