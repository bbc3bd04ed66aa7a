"""Prediction with what `sitenet fit` wrote: the same rows as of any other model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from sitenet.api.rows import Compute, Row, predicted
from sitenet.crystal.featurise import MergedCrystal
from sitenet.evaluate.conformal import interval
from sitenet.few.files import ARRAYS
from sitenet.few.saving import read_fit


class FittedModel:
    """The best model for few labels, from a folder that `sitenet fit` wrote."""

    def __init__(self, folder: Path) -> None:
        self.fit, self.folder = read_fit(folder), folder

    @property
    def unit(self) -> str:
        """Unit of the label."""
        return str(self.fit.about["label"]["unit"])

    def info(self) -> dict[str, Any]:
        """What was chosen and how good it is, with the report as its card."""
        about, report = self.fit.about, self.folder / "report.md"
        return {
            "model": str(self.folder),
            "label": about["label"]["column"],
            "unit": self.unit,
            "predicts": "the label, by the model that was chosen for few labels",
            "labels": about["labels"],
            "winner": about["winner"],
            "honest_mae": about["mae"],
            "arms": [f"{one.weight:.0%} {one.arm.key}{' of ln(label)' if one.arm.ln else ''}"
                     for one in self.fit.members],
            "features": [kind.to_dict() for kind in self.fit.kinds],
            "elements": about["elements"],
            "interval": interval(0.9, self.fit.residuals, self.fit.spread).name or None,
            "tells_unlike_by": ["elements", "descriptors"],
            "card": report.read_text(encoding="utf-8", errors="replace")
            if report.is_file() else None,
        }  # fmt: skip

    def made_by(self) -> list[str]:
        """What identifies the arrays in an interrupted run."""
        stat = (self.folder / ARRAYS).stat()
        return [f"{stat.st_size} {stat.st_mtime_ns}"]

    def predictions(self, level: float, device: torch.device) -> Compute:
        """What makes the rows of `Predictor.predict`."""
        around = interval(level, self.fit.residuals, self.fit.spread)
        positive = bool(self.fit.about["positive"])

        def compute(crystals: Sequence[tuple[MergedCrystal, ...]]) -> list[Row | str]:
            found = self.fit.apply(crystals, device)
            rows: list[Row | str] = []
            for k, (crystal, *_) in enumerate(crystals):
                value = float(found.prediction[k])
                spread = None if found.spread is None else float(found.spread[k])
                unlike = self.fit.known.unlike(crystal.numbers, found.vectors[k])
                row = predicted(value, spread, around, positive, self.unit, unlike)
                rows.append(found.problems[k] or row)
            return rows

        return Compute(compute, (None, None, None, "", None, self.unit, ""), last=True)
