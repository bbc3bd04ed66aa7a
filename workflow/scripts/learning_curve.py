"""Errors of every arm on the test crystals, by number of labels."""

from pathlib import Path

import labelled
from job import job

from sitenet.few.curves import Draw, write_curve
from sitenet.few.experiment import write_refused
from sitenet.few.fit import prepare
from sitenet.options.few_labels import FitSettings
from sitenet.splits.parts import read_parts

with job(snakemake):
    out = Path(snakemake.output.table)
    settings = FitSettings.from_dict(snakemake.params.settings)
    experiment = labelled.read(snakemake, settings, snakemake.params.encoder_sets)
    ready = prepare(experiment.labelled, experiment.kinds, experiment.encoder_sets, settings)
    write_refused(Path(snakemake.output.rejected), [*experiment.refused, *ready[0].refused])
    write_curve(
        ready,
        read_parts(Path(snakemake.input.split)),
        [Draw(*draw) for draw in snakemake.params.draws],
        settings.seed,
        finished=out.with_suffix(".unfinished"),
        out=out,
        workers=snakemake.threads,
    )
