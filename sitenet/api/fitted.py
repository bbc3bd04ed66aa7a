"""Prediction with what `sitenet fit` wrote: the same rows as of any other model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sitenet.api.ensemble import chosen_device, interval
from sitenet.api.predictor import Compute, Predictor, Row, plain
from sitenet.crystal.featurise import MergedCrystal
from sitenet.few.saving import ARRAYS, read_fit
from sitenet.options.features import FeatureSettings
from sitenet.shards.store import CrystalStore


class FittedPredictor(Predictor):
    """The best model for few labels, from a folder that `sitenet fit` wrote."""

    def __init__(self, folder: Path, device: str = "auto") -> None:
        self.fit, self.folder, self.name = read_fit(folder), folder, str(folder)
        self.device = chosen_device(device)

    @property
    def features(self) -> FeatureSettings:
        """How crystals are featurised."""
        return self.fit.features

    @property
    def unit(self) -> str:
        """Unit of the label."""
        return str(self.fit.about["label"]["unit"])

    def info(self) -> dict[str, Any]:
        """What was chosen and how good it is, with the report as its card."""
        about, report = self.fit.about, self.folder / "report.md"
        return {
            "model": self.name,
            "label": about["label"]["column"],
            "unit": self.unit,
            "predicts": "the label, by the model that was chosen for few labels",
            "labels": about["labels"],
            "winner": about["winner"],
            "honest_mae": about["mae"],
            "arms": [f"{one.weight:.0%} {one.arm.key}{' of ln(label)' if one.arm.ln else ''}"
                     for one in self.fit.members],
            "features": self.features.to_dict(),
            "elements": about["elements"],
            "interval": interval(0.9, self.fit.residuals, self.fit.spread).name or None,
            "tells_unlike_by": ["elements", "descriptors"],
            "card": report.read_text(encoding="utf-8", errors="replace")
            if report.is_file() else None,
        }  # fmt: skip

    def explain(self, crystal: Any, out: Path, **options: Any) -> list[Path]:
        """Raises ValueError: trees and regressions have no attention."""
        raise ValueError(f"{self.name} is of sitenet fit, which has no attention to explain")

    def vectors(self, store: CrystalStore, local: bool = False) -> NDArray[np.float32]:
        """Raises ValueError: there are no vectors."""
        raise self._no_vectors()

    def vector_columns(self, local: bool = False) -> tuple[str, ...]:
        """Raises ValueError: there are no vectors."""
        raise self._no_vectors()

    def _vectors(self, local: bool) -> Compute:
        raise self._no_vectors()

    def _no_vectors(self) -> ValueError:
        return ValueError(f"{self.name} is of sitenet fit, which has no vectors: give an encoder")

    def _made_by(self) -> list[str]:
        stat = (self.folder / ARRAYS).stat()
        return [f"{stat.st_size} {stat.st_mtime_ns}"]

    def _predictions(self, level: float) -> Compute:
        around = interval(level, self.fit.residuals, self.fit.spread)
        positive = bool(self.fit.about["positive"])

        def compute(store: CrystalStore, crystals: Sequence[MergedCrystal]) -> list[Row | str]:
            found = self.fit.apply(crystals, store)
            rows: list[Row | str] = []
            for k, crystal in enumerate(crystals):
                value = float(found.prediction[k])
                spread = None if found.spread is None else float(found.spread[k])
                half, kind = around.half_width(spread)
                lower, upper = (None, None) if half is None else (value - half, value + half)
                if positive and lower is not None:
                    lower = max(lower, 0.0)
                unlike = self.fit.known.unlike(crystal.numbers, found.vectors[k])
                numbers = [plain(x) for x in (value, lower, upper)]
                row = (*numbers, kind, plain(spread), self.unit, unlike)
                rows.append(found.problems[k] or row)
            return rows

        return Compute(compute, (None, None, None, "", None, self.unit, ""), last=True)
