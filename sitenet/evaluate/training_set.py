"""What a run knows of the crystals it was trained on: errors to expect, and who is unlike them.

From the run's predictions: residuals of the validation crystals and the elements of the training
crystals. From a small file of their vectors: how far from them a crystal is.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from sitenet.evaluate.conformal import conformal
from sitenet.files import atomic_path
from sitenet.structure.elements import elements, symbols
from sitenet.tables import DamagedTable, read_arrow

Float = NDArray[np.float32]

KEPT = 500
"""Largest number of training, and of validation, crystals whose vectors are used."""

FAR = 0.99
"""Share of the validation crystals that are nearer to the training crystals than a far one."""

NAME = "training_set.safetensors"

PREDICTIONS = "predictions.parquet"

SEEN = "training_set.parquet"
"""Crystals of a training without predictions: id, split, formula."""


@dataclass(frozen=True)
class TrainingSet:
    """Training and validation crystals of a run.

    elements: atomic numbers in training crystals. residuals: label minus prediction of validation
    crystals by id, in the label's unit. vectors (m, width) of training crystals and distances (v,),
    ascending, of validation crystals from the nearest of them; both are empty if the run kept none.
    ids: of training and validation crystals.
    """

    elements: frozenset[int]
    residuals: dict[str, float]
    vectors: Float
    distances: Float
    ids: frozenset[str] = frozenset()

    def unlike(self, numbers: NDArray[np.int64], vector: Float) -> str:
        """Why a crystal with these elements (n,) and vector (width,) is unlike the training set.

        Empty if it is not: its elements are in training crystals, and the nearest of these is as
        near as it is for 99 % of the validation crystals (for all, if they are fewer than 99).
        """
        reasons = []
        if new := sorted(set(numbers.tolist()) - self.elements) if self.elements else []:
            reasons.append(f"no training crystal has {', '.join(symbols()[z] for z in new)}")
        if len(self.distances):
            known = conformal(self.distances, FAR) or float(self.distances[-1])
            (distance,) = nearest(vector[None], self.vectors)
            if distance > known:
                reasons.append(
                    f"its vector is {distance / max(known, 1e-6):.2g} times as far from them as "
                    "those of known crystals"
                )
        return "; ".join(reasons)


def nearest(vectors: Float, others: Float) -> Float:
    """Distance (n,) of `vectors` (n, width) from the nearest of `others` (m, width)."""
    own, known = vectors.astype(np.float64), others.astype(np.float64)  # as differences cancel
    squares = (own**2).sum(1)[:, None] + (known**2).sum(1) - 2 * own @ known.T
    return np.sqrt(np.maximum(squares.min(axis=1), 0)).astype(np.float32)


def write_vectors(path: Path, training: Float, validation: Float) -> None:
    """Write the vectors (m, width) and (v, width) of a run's crystals for `read_training_set`."""
    tensors = {"vectors": training, "distances": np.sort(nearest(validation, training))}
    with atomic_path(path) as temporary:
        temporary.write_bytes(save({name: x.astype(np.float32) for name, x in tensors.items()}))


def crystals_seen(folder: Path) -> dict[str, NDArray[np.object_]] | None:
    """Columns id, split, formula of the crystals that the model in `folder` was trained on.

    Training and validation crystals; None where there is no record. Raises DamagedTable.
    """
    records = [folder / name for name in (PREDICTIONS, SEEN) if (folder / name).is_file()]
    if not records:
        return None
    rows = read_arrow(records[0], ["id", "split", "formula"])
    columns = {name: rows[name].to_numpy() for name in rows.column_names}
    seen = np.isin(columns["split"], ("train", "val"))
    return {name: values[seen] for name, values in columns.items()}


def read_training_set(folder: Path, width: int) -> TrainingSet | None:
    """What is known of the training set of the model in `folder`; None without a record of it.

    `width` is that of a crystal's vector. Raises DamagedTable, also for vectors of another model.
    """
    seen = crystals_seen(folder)
    if seen is None:
        return None
    formulas = set(seen["formula"][seen["split"] == "train"])
    found = {symbol for formula in formulas for symbol in re.findall("[A-Z][a-z]?", formula)}
    vectors, distances = _read_vectors(folder / NAME, width)
    return TrainingSet(
        ids=frozenset(seen["id"].tolist()),
        elements=frozenset(elements()[symbol].number for symbol in found if symbol in elements()),
        residuals=_residuals(folder / PREDICTIONS),
        vectors=vectors,
        distances=distances,
    )


def _residuals(predictions: Path) -> dict[str, float]:
    """Label minus prediction of validation crystals by id; none without predictions."""
    if not predictions.is_file():
        return {}
    rows = read_arrow(predictions, ["id", "split", "target", "prediction"])
    residual = rows["target"].to_numpy() - rows["prediction"].to_numpy()
    watched = (rows["split"].to_numpy() == "val") & np.isfinite(residual)
    ids = rows["id"].to_numpy()
    return dict(zip(ids[watched].tolist(), residual[watched].tolist(), strict=True))


def _read_vectors(path: Path, width: int) -> tuple[Float, Float]:
    if not path.is_file():
        return np.empty((0, width), np.float32), np.empty(0, np.float32)
    try:
        tensors = load(path.read_bytes())
        vectors, distances = (tensors[name].astype(np.float32) for name in ("vectors", "distances"))
    except (SafetensorError, KeyError) as error:
        raise DamagedTable(path, str(error)) from None
    sound = vectors.ndim == 2 and len(vectors) and vectors.shape[1] == width and distances.ndim == 1
    if not (sound and np.isfinite(vectors).all() and np.isfinite(distances).all()):
        raise DamagedTable(path, "it is not of this model")
    return vectors, np.sort(distances)
