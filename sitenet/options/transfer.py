"""How an encoder is trained on few labels."""

from dataclasses import dataclass

from sitenet.options.model import ModelSettings
from sitenet.options.training import TrainingSettings


@dataclass(frozen=True)
class TransferSettings:
    """How an arm is trained: `seeds` runs on `labels` labelled crystals.

    `validation` is the share of the labels that a run is stopped by instead of trained on; the
    seed of `training` is replaced by the run's.
    """

    labels: int
    seeds: int
    validation: float
    model: ModelSettings
    training: TrainingSettings

    def __post_init__(self) -> None:
        if self.trained < 1:
            raise ValueError(
                f"with {self.watched} for validation, {self.labels} labels leave none to train on"
            )

    @property
    def watched(self) -> int:
        """Labels for validation, at least one."""
        return max(1, round(self.validation * self.labels))

    @property
    def trained(self) -> int:
        """Labels for training."""
        return self.labels - self.watched
