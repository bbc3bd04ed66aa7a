"""Which files a model is: a model that comes along, a file, a run, or runs that are an ensemble."""

import re
from pathlib import Path

from sitenet.files import PACKAGE
from sitenet.model.description import UnusableModel

TRAINED = PACKAGE / "trained"
"""Models that come with the package, a folder each."""

WEIGHTS = "model.safetensors"

SAME_AS = "same_as.txt"
"""In a folder of `TRAINED` without weights: which of the others has them."""


def trained_models() -> list[str]:
    """Names of the models that come with the package."""
    return sorted(path.name for path in TRAINED.iterdir() if path.is_dir() and _trained(path.name))


def located(model: str | Path) -> list[Path]:
    """The weights of a model: several files if it is an ensemble.

    Args:
        model: the name of a model that comes with the package; else a path: of weights, of the
            folder of a run, of a folder of runs that differ in their seeds (the folder of a
            variant), or of its `ensemble`.

    Raises:
        UnusableModel: there is no such model.
    """
    name = str(model)
    if re.fullmatch(r"\w+", name) and (found := _trained(name)):
        return found
    path = Path(model)
    if not path.is_dir():
        if not path.exists() and re.fullmatch(r"\w+", name):
            along = ", ".join(trained_models()) or "there are none"
            raise UnusableModel(f"{name} is neither a model of the package ({along}) nor a path")
        return [path]  # its problems are told when it is read
    if path.name == "ensemble" and not _members(path):
        path = path.parent
    found = _members(path)
    if not found:
        raise UnusableModel(
            f"{model} is a folder without {WEIGHTS}, its own or of runs in it: give a trained model"
        )
    return found


def _trained(name: str) -> list[Path]:
    """Weights of a model of the package; empty if there is none of this name."""
    other = TRAINED / name / SAME_AS
    return _members(TRAINED / (other.read_text().strip() if other.is_file() else name))


def _members(folder: Path) -> list[Path]:
    """Weights in a folder, or those in each of its folders, by the numbers in their names."""
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    found = [path for path in folder.glob(f"*/{WEIGHTS}") if not path.parent.name.startswith(".")]
    return sorted(found, key=lambda path: (_number(path.parent.name), path.parent.name))


def _number(name: str) -> int:
    digits = re.findall(r"\d+", name)
    return int(digits[-1]) if digits else -1
