"""What a model is, from its description, its results and its card."""

from pathlib import Path
from typing import Any

import numpy as np

from sitenet.api.ensemble import Ensemble
from sitenet.api.located import TRAINED, trained_models
from sitenet.files import read_json
from sitenet.structure.elements import symbols

CARDS = ("card.md", "README.md")


def describe(ensemble: Ensemble, name: str = "") -> dict[str, Any]:
    """Plain values: weights, label, features, training set, errors, what it can tell, card.

    What is not known of a model, since its run left no such file, is None.
    """
    about, known = ensemble.about, ensemble.known
    label = about.content.get("label")
    first = ensemble.members[0]
    residuals = np.abs(ensemble.residuals)
    training = about.content.get("training")
    return {
        "model": name or str(first.weights),
        "weights": [str(member.weights) for member in ensemble.members],
        "label": None if label is None else label.get("column"),
        "unit": None if label is None else about.unit(),
        "predicts": "vectors only (no label)" if label is None else about.model.output,
        "parameters": sum(p.numel() for p in first.network.parameters()),
        "width_of_vectors": first.network.crystal_width,
        "features": dict(about.content["features"]),
        "seeds": [(m.about.content.get("training") or {}).get("seed") for m in ensemble.members]
        if training
        else None,
        "elements": None if known is None else [symbols()[z] for z in sorted(known.elements)],
        "validation_crystals": len(residuals) or None,
        "validation_mae": float(residuals.mean()) if len(residuals) else None,
        "test_mae": _test_errors(ensemble),
        "interval": ensemble.interval(0.9).name or None,
        "tells_unlike_by": _unlike_by(ensemble),
        "card": _card(TRAINED / name if name in trained_models() else first.weights.parent),
    }


def _test_errors(ensemble: Ensemble) -> list[float] | None:
    """Mean absolute errors of the members on the test crystals of their runs."""
    paths = [member.weights.with_name("metrics.json") for member in ensemble.members]
    if not all(path.is_file() for path in paths):
        return None
    try:
        return [float(read_json(path)["splits"]["test"]["mae"]) for path in paths]
    except (ValueError, LookupError, TypeError):
        return None


def _unlike_by(ensemble: Ensemble) -> list[str]:
    known = ensemble.known
    if known is None:
        return []
    return ["elements"] + (["vectors"] if len(known.distances) else [])


def _card(folder: Path) -> str | None:
    """The card in the folder of the weights or, for an ensemble, in that above."""
    for place in (folder, folder.parent):
        for name in CARDS:
            if (place / name).is_file():
                return (place / name).read_text(encoding="utf-8", errors="replace")
    return None
