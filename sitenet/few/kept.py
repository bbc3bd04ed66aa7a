"""Finished arms on disk, so that a fit that was killed goes on where it was.

A file is called by a digest of all that decides its content: labels, columns, options and code. So
it can be used whatever else has changed, and needs no other check.
"""

import hashlib
import sys
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from sitenet.few.arms import Arm, Crystals, fit_arm, predict_arm
from sitenet.few.descriptors import BONDS, COMPOSITION
from sitenet.files import PACKAGE, atomic_path

Float = NDArray[np.float64]
Int = NDArray[np.int64]

CODE = ("arms.py", "linear.py", "trees.py")
"""Modules of this room that decide what simple models predict; networks need the whole package."""

LIBRARIES = ("numpy", "scipy", "scikit-learn", "torch")


class Kept:
    """Arms and predictions of arms, kept in a folder (None: nowhere)."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder

    def predictions(
        self, arm: Arm, crystals: Crystals, fitted: Int, label: Float, asked: Int, seed: int
    ) -> Float:
        """Predictions of crystals `asked` (m,) by an arm that is trained on `fitted` (n,).

        label (n,): of the crystals `fitted`.
        """

        def computed() -> Float:
            trained = fit_arm(arm, crystals, fitted, label, seed)
            return predict_arm(arm, trained, crystals, asked)

        if self.folder is None:
            return computed()
        path = self.folder / f"{_digest(arm, crystals, fitted, label, asked, seed)}.npy"
        if path.is_file() and len(found := np.fromfile(path)) == len(asked):
            return found
        self.folder.mkdir(parents=True, exist_ok=True)
        values = computed()
        with atomic_path(path) as temporary:
            values.astype(np.float64).tofile(temporary)
        return values

    def trained(
        self, arm: Arm, crystals: Crystals, fitted: Int, label: Float, seed: int
    ) -> dict[str, NDArray]:
        """The arrays of an arm that is trained on `fitted` (n,), of `label` (n,)."""
        if self.folder is None:
            return fit_arm(arm, crystals, fitted, label, seed)
        name = _digest(arm, crystals, fitted, label, np.zeros(0, np.int64), seed)
        path = self.folder / f"{name}.safetensors"
        with suppress(OSError, SafetensorError):
            return load(path.read_bytes())
        self.folder.mkdir(parents=True, exist_ok=True)
        arrays = fit_arm(arm, crystals, fitted, label, seed)
        with atomic_path(path) as temporary:
            temporary.write_bytes(save({k: np.ascontiguousarray(x) for k, x in arrays.items()}))
        return arrays


def _digest(arm: Arm, crystals: Crystals, fitted: Int, label: Float, asked: Int, seed: int) -> str:
    network = arm.network
    settings = network and (network.settings, network.training, network.features, network.seeds)
    weights = network.encoder.read_bytes() if network and network.encoder else b""
    rows = np.concatenate([fitted, asked])
    groups = (COMPOSITION, BONDS) if network else arm.groups
    columns = [np.ascontiguousarray(crystals.groups[name][rows]) for name in groups]
    about = repr((arm.model, arm.groups, arm.ln, settings, seed, len(fitted), len(asked)))
    parts = [about.encode(), _code(network is not None).encode(), weights, label.tobytes()]
    parts += ["".join(crystals.formulas[rows].tolist()).encode()] if network else []
    return _hashed([*parts, *(column.tobytes() for column in columns)])


@cache
def _code(whole: bool) -> str:
    """Digest of the code that arms are computed by, and of the libraries' versions."""
    paths = sorted(PACKAGE.rglob("*")) if whole else [PACKAGE / "few" / name for name in CODE]
    sources = [path for path in paths if path.suffix in (".py", ".cpp", ".h", ".hpp")]
    versions = [sys.version, *(f"{name} {version(name)}" for name in LIBRARIES)]
    return _hashed([*(path.read_bytes() for path in sources), *(v.encode() for v in versions)])


def _hashed(parts: Iterable[bytes]) -> str:
    found = hashlib.sha256()
    for part in parts:
        found.update(len(part).to_bytes(8, "little") + part)
    return found.hexdigest()
