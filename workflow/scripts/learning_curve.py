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
    ready, refused = [], []
    for encoders in snakemake.params.encoder_sets:
        experiment = labelled.read(snakemake, settings, encoders)
        ready.append(prepare(experiment.labelled, experiment.kinds, experiment.encoders, settings))
        refused += [*experiment.refused, *ready[-1].refused]
    write_refused(Path(snakemake.output.rejected), list(dict.fromkeys(refused)))
    write_curve(
        ready,
        read_parts(Path(snakemake.input.split)),
        [Draw(*draw) for draw in snakemake.params.draws],
        settings.seed,
        finished=out.with_suffix(".unfinished"),
        out=out,
        workers=snakemake.threads,
    )
