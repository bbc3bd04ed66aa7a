"""What a trained model attends to in one crystal: run the model and collect an `Explanation`."""

from pathlib import Path

import numpy as np
import torch

from sitenet.analysis.attention import atom_attention
from sitenet.analysis.explanation import Explanation, attention_by_distance, attention_by_neighbour
from sitenet.crystal.featurise import MergedCrystal
from sitenet.model.description import read_description
from sitenet.model.inference import batches_in_order, predict
from sitenet.model.layers import segment_max
from sitenet.model.saving import load_model
from sitenet.shards.store import CrystalStore
from sitenet.structure.formula import reduced_formula
from sitenet.tables import read_table


def explain_crystal(
    weights: Path, crystal: MergedCrystal, compare: Path | None = None
) -> Explanation:
    """Attention, prediction and long-range coefficient of one crystal.

    Args:
        weights: model.safetensors of a run, with its JSON next to it.
        crystal: featurised with the options of the model's training data.
        compare: table of long-range coefficients under this model (`write_long_range`). The
            percentile is taken among its training crystals.
    """
    model = load_model(weights)
    store = CrystalStore.from_crystals([""], [crystal])
    (batch,) = batches_in_order(store)
    with torch.inference_mode():
        merged = atom_attention(model, batch)
    reach = merged[:, -1] * batch.pair_distance[:, None]
    coefficient = float(segment_max(reach, torch.zeros(len(reach), dtype=torch.int64), 1).sum())
    attention = merged.double().numpy()
    neighbours = attention_by_neighbour(crystal, attention)
    others = np.empty(0)
    if compare is not None:
        column, training = "long_range_coefficient", [("split", "==", "train")]
        others = read_table(compare, columns=[column], filters=training)[column].to_numpy()
    return Explanation(
        formula=reduced_formula(crystal.numbers),
        crystal=crystal,
        prediction=float(predict(model, store)[0]),
        unit=read_description(weights).unit(),
        neighbours=neighbours,
        heads=attention_by_distance(crystal, neighbours),
        long_range_coefficient=coefficient,
        percentile=float((others < coefficient).mean() * 100) if len(others) else None,
        compared=len(others),
        attention=attention,
    )
