"""Names of the files of a fit. Loads nothing: every prediction asks whether its model is a fit."""

from pathlib import Path

DESCRIPTION, ARRAYS, ENCODERS = "fit.json", "fit.safetensors", "encoders"


def is_fit(folder: Path) -> bool:
    """Whether a folder holds what `sitenet.few.saving.write_fit` wrote."""
    return (folder / DESCRIPTION).is_file()
