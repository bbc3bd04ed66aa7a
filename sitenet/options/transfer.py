"""Options of the transfer to few labels (doi:10.1039/d4dd00202d, Fig. 7)."""

from dataclasses import dataclass

from sitenet.options.model import ModelSettings
from sitenet.options.option import Options, option
from sitenet.options.representation import LABEL_COUNTS
from sitenet.options.training import FewLabelsTraining, TrainingSettings


@dataclass(frozen=True)
class RepeatedRuns(Options):
    """How often a training on few labels is repeated, and what it is stopped by."""

    seeds: int = option(
        12,
        "Runs for each number of labels. Run k is shown the same labels in every arm.",
        at_least=1,
    )
    validation: float = option(
        0.2,
        "Share of the labels that is held back for validation.",
        more_than=0,
        less_than=1,
    )


@dataclass(frozen=True)
class TransferSection(RepeatedRuns):
    """Training on few labels from random, pre-trained and otherwise trained weights.

    The seeds are trained side by side on the CPU.
    """

    label_counts: tuple[int, ...] = option(
        LABEL_COUNTS,
        "Numbers of labels, those for validation included.",
        at_least=5,
        not_empty=True,
        unique=True,
    )
    training: FewLabelsTraining = option(FewLabelsTraining(), "How each run is trained.")


@dataclass(frozen=True, kw_only=True)
class TransferSettings(RepeatedRuns):
    """How the runs of an arm are trained on `labels` labelled crystals.

    The seed of `training` is replaced by the run's. ValueError if no label is left to train on.
    """

    labels: int
    model: ModelSettings
    training: TrainingSettings

    def __post_init__(self) -> None:
        super().__post_init__()
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
