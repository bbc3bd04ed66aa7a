"""Options of a training."""

from dataclasses import dataclass
from typing import Literal

from sitenet.options.option import Name, Options, option

LabelScaling = Literal["standard", "none"]

LABEL_SCALING = (
    "`standard`: the network predicts standard deviations from the mean of the training labels. "
    "`none`: it predicts labels as they are."
)


@dataclass(frozen=True)
class OptimiserSettings(Options):
    """Batches, AdamW and its schedule, and when a training ends.

    The defaults of AdamW are those of Table 1 of doi:10.1039/d3dd00005b.
    """

    batch_sites: int = option(
        1200,
        "Average number of unique sites in a batch. Batches have nearly equal numbers of merged "
        "pairs, which determine the cost of a step.",
        at_least=1,
    )
    learning_rate: float = option(8.12e-4, "Learning rate of AdamW.", more_than=0)
    weight_decay: float = option(1e-4, "Weight decay of AdamW.", at_least=0)
    amsgrad: bool = option(True, "Whether AdamW uses AMSGrad.")
    eps: float = option(1e-7, "Term in AdamW's denominator for numerical stability.", more_than=0)
    gradient_clip: float = option(
        1.0, "Largest norm of the gradient; a longer one is scaled down to it.", more_than=0
    )
    schedule: Literal["cosine", "constant"] = option(
        "cosine",
        "`cosine`: after the warm-up, the learning rate falls to zero over `max_epochs`. "
        "`constant`: it stays the same, as in the published code.",
    )
    warmup_epochs: float = option(
        1.0,
        "Epochs in which the learning rate rises to its full value (with `cosine`).",
        at_least=0,
    )
    max_epochs: int = option(100, "Largest number of epochs.", at_least=1)
    patience: int = option(
        30, "Epochs without a better validation result after which training stops.", at_least=1
    )
    seed: int = 0
    """Of the initial weights, the order of the crystals and everything else that is drawn."""


@dataclass(frozen=True)
class LoopSettings(OptimiserSettings):
    """A training on one or several devices that may stream its crystals."""

    precision: Literal["32-true", "bf16-mixed", "16-mixed", "64-true"] = option(
        "32-true",
        "Floating-point numbers: 32 bits; bfloat16 or float16 where it is safe (`mixed`); 64 bits. "
        "On a CPU, `mixed` multiplies bfloat16 in the networks of the pairs, if the processor can "
        "(AVX-512 BF16), and all else is float32; predictions always are.",
    )
    devices: int = option(
        1,
        "GPUs, or CPU processes without a GPU, that share every batch. The result is that of one "
        "device, except that `norm: batch` takes the statistics of each share.",
        at_least=1,
        at_most=64,
    )
    nodes: int = option(
        1,
        "Machines of a Slurm job that share every batch, each with `devices`.",
        at_least=1,
        at_most=1000,
    )
    memory_gib: float = option(
        8.0,
        "Largest memory (GiB) for crystals. A larger data set is read again in every epoch.",
        more_than=0,
    )

    @property
    def processes(self) -> int:
        """Processes that share a batch."""
        return self.devices * self.nodes


@dataclass(frozen=True)
class PretrainingSettings(LoopSettings):
    """How an encoder is trained without labels, by Deep InfoMax."""


@dataclass(frozen=True)
class TrainingSettings(LoopSettings):
    """How a model is trained with labels: AdamW on the mean absolute error."""

    label_scaling: LabelScaling = option("standard", LABEL_SCALING)
    train_size: int | None = option(
        None,
        "Number of training crystals, drawn by the seed of the run; null takes all. Those of a "
        "smaller number are among those of a larger one.",
        at_least=1,
    )
    auxiliary: tuple[Name, ...] = option(
        (),
        "Other tasks of the data set whose labels the network learns beside the one that it is "
        "trained for, where a training crystal has them. They count as much as that one, each in "
        "its standard deviations; the task itself is left out of the list. Not in the paper.",
        unique=True,
    )
    computed_targets: float = option(
        0.0,
        "Weight in the loss of what the network learns beside the label that can be computed of "
        "each training crystal: bonds, packing, electrostatic potentials, bond valences, as normal "
        "scores. The label counts 1; with 0 there are none. Not in the paper.",
        at_least=0,
    )
    refit: bool = option(
        False,
        "Whether the model is trained once more from the start, on the training and validation "
        "crystals together and for as many epochs as were best, and this one is kept. What is said "
        "of validation crystals is by the first one. Not in the paper.",
    )
    strain: float = option(
        0.0,
        "Standard deviation of the strain, the same in all directions, by which each training "
        "crystal is stretched, anew in every epoch. Not in the paper.",
        at_least=0,
        less_than=0.2,
    )


@dataclass(frozen=True)
class FewLabelsTraining(OptimiserSettings):
    """How a model is trained on few labels, on one CPU thread per seed."""

    batch_sites: int = 400
    schedule: Literal["cosine", "constant"] = "constant"
    warmup_epochs: float = 0.0
    max_epochs: int = 300
    patience: int = 40
    label_scaling: LabelScaling = option("standard", LABEL_SCALING)
