"""What jobs on few labels read: labelled crystals and encoders."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sitenet.few.experiment import Experiment, read_experiment
from sitenet.options.few_labels import FitSettings
from sitenet.options.limits import LimitSettings


def read(
    snakemake: Any, settings: FitSettings, encoder_sets: Sequence[Sequence[str]]
) -> Experiment:
    """The experiment of a job with sets of encoders: their weights."""
    inputs, params = snakemake.input, snakemake.params
    return read_experiment(
        Path(inputs.structures),
        Path(inputs.labels),
        params.task,
        [list(map(Path, encoders)) for encoders in encoder_sets],
        settings,
        LimitSettings(**params.limits),
        params.largest,
        workers=snakemake.threads,
    )
