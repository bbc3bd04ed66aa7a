"""Labelled crystals that an encoder was trained on: their errors are not those of new crystals."""

from typing import NamedTuple

import numpy as np

from sitenet.evaluate.training_set import crystals_seen
from sitenet.few.encoders import Encoder, stores_of
from sitenet.few.labels import Labelled
from sitenet.model.description import read_description
from sitenet.model.inference import predict
from sitenet.shards.guarded import Kinds
from sitenet.structure.formula import reduced_formula

FEWEST = 10
"""Labelled crystals of known formulas that a comparison with predictions takes."""

ALIKE = 0.9
"""Correlation of the predictions with the label from which this is what was learned."""


class Seen(NamedTuple):
    """What an encoder saw of labelled crystals.

    crystals: those with name and formula of a training crystal. formulas: those with the formula of
    one. learned: whether it predicts the label of these, so that it learned this label there, or
    one that goes with it. labels: whether it learned labels at all.
    """

    crystals: int
    formulas: int
    learned: bool
    labels: bool


def seen_by(encoder: Encoder, labelled: Labelled, kinds: Kinds) -> Seen:
    """What an encoder saw of labelled crystals, as far as its run tells.

    A table beside its weights names the training crystals. Raises DamagedTable.
    """
    weights = encoder.weights
    if weights is None or (known := crystals_seen(weights.parent)) is None:
        return Seen(0, 0, False, labels=False)
    formulas = set(known["formula"])
    names = set(zip(known["id"], known["formula"], strict=True))
    own = [reduced_formula(one[0].numbers) for one in labelled.crystals]
    same = sum(pair in names for pair in zip(labelled.ids, own, strict=True))
    rows = [row for row, formula in enumerate(own) if formula in formulas]
    has_label = read_description(weights).content.get("label") is not None
    told = has_label and len(rows) >= FEWEST and _predicted(encoder, labelled, kinds, rows)
    return Seen(same, len(rows), told, has_label)


def _predicted(encoder: Encoder, labelled: Labelled, kinds: Kinds, rows: list[int]) -> bool:
    """Whether a network predicts the label of these crystals."""
    ids, crystals, label = labelled.taken(rows)
    if label.std() == 0:
        return False
    k = kinds.index(encoder.features)
    store = stores_of(ids, [(one[k],) for one in crystals], (encoder.features,))[encoder.features]
    found = predict(encoder.network, store).astype(np.float64)
    return bool(found.std() > 0 and np.corrcoef(found, label)[0, 1] >= ALIKE)
