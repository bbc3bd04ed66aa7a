"""Options of the comparison of encoders."""

from collections.abc import Mapping
from dataclasses import dataclass

from sitenet.options.option import Options, option, required
from sitenet.options.representation import RepresentationSettings


@dataclass(frozen=True)
class EncoderKind(Options):
    """Trainings of one kind, which differ in their seeds: the sample of the tests."""

    encoders: tuple[str, ...] = required(
        "Names of pre-trainings, runs as `DATASET/nN/TASK/VARIANT/seedS`, or paths of weights, "
        "beside which is a record of the crystals that they were trained on.",
        not_empty=True,
        unique=True,
    )


@dataclass(frozen=True)
class ComparedTask(Options):
    """A label that is learned from the vectors of encoders."""

    dataset: str = required("Name of a data set.")
    task: str = required("Name of one of its tasks.")


@dataclass(frozen=True)
class EncodersSection(RepresentationSettings):
    """Trained encoders beside untrained ones and descriptors, which the target `encoders` makes."""

    kinds: Mapping[str, EncoderKind] = option({}, "Kinds of encoders, by name.")
    tasks: tuple[ComparedTask, ...] = option((), "Labels to learn.", unique=True)
    masks: int = 5
    pool: int | None = 3000
    test: int | None = 1500
