"""What is measured of each model."""

import resource
from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    """One row of the table; speeds are structures per second of processor time."""

    model: str
    mae: float
    """On the test part, in the label's unit."""
    epochs: int
    best_epoch: int
    featurised: float
    """From CIF text to what the model reads."""
    trained: float
    """Training structures times epochs, with the validation after each epoch in the time."""
    gib: float
    """Peak memory of the process that featurises and trains."""
    left_out: int
    """Crystals that the model cannot read."""
    baselines: dict[str, float] | None = None
    """Test MAE of simple predictions, by name."""


def peak_gib() -> float:
    """Peak resident memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
