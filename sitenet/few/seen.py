"""Labelled crystals that an encoder was trained on: their errors are not those of new crystals."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sitenet.tables import read_arrow

COMMON = 10
"""Formulas in common that a comparison of labels takes at least."""

ALIKE = 0.9
"""Correlation from which two labels are taken for the same."""


class Seen(NamedTuple):
    """crystals: labelled ones with name and formula of crystals that an encoder was trained on.

    learned: whether it learned this label, or one that goes with it, on their formulas.
    """

    crystals: int
    learned: bool


def seen_by(
    weights: Path, ids: Sequence[str], formulas: NDArray, label: NDArray[np.float64]
) -> Seen:
    """What the encoder with these weights saw of labelled crystals (n), as far as its run tells.

    The table of its predictions names its training crystals, with their labels. Raises
    DamagedTable.
    """
    predictions = weights.parent / "predictions.parquet"
    if not predictions.is_file():
        return Seen(0, False)
    known = read_arrow(predictions, ["id", "split", "formula", "target"]).to_pandas()
    known = known[known.split.isin(["train", "val"])]
    names = set(zip(known.id, known.formula, strict=True))
    same = sum(pair in names for pair in zip(ids, formulas, strict=True))
    own = pd.Series(label).groupby(formulas).mean()
    both = pd.concat([own, known.groupby("formula").target.mean()], axis=1, join="inner").dropna()
    alike = len(both) >= COMMON and abs(both.corr().iloc[0, 1]) >= ALIKE
    return Seen(same, bool(alike))
