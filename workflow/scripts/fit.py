"""Choose, judge and train the best model for few labels."""

from pathlib import Path

import labelled
from job import job

from sitenet.few.experiment import drawn_labels, write_refused
from sitenet.few.fit import fit_few_labels
from sitenet.few.labels import Label
from sitenet.options.few_labels import FitSettings

with job(snakemake):
    params, out = snakemake.params, Path(snakemake.output.fit).parent
    settings = FitSettings.from_dict(params.settings)
    experiment = labelled.read(snakemake, settings, [snakemake.input.encoders])
    _, refused = fit_few_labels(
        drawn_labels(experiment.labelled, params.saved["fit_labels"], settings.seed),
        out,
        Label(params.saved["column"], params.unit),
        experiment.kinds,
        experiment.encoder_sets[0],
        settings,
        workers=snakemake.threads,
    )
    write_refused(Path(snakemake.output.rejected), [*experiment.refused, *refused])
