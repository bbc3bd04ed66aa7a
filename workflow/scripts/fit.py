"""Choose, judge and train the best model for few labels."""

from pathlib import Path

from job import job

from sitenet.few.experiment import drawn_labels, read_experiment, write_refused
from sitenet.few.fit import fit_few_labels
from sitenet.few.labels import Label
from sitenet.options.few_labels import FitSettings
from sitenet.options.limits import LimitSettings

with job(snakemake):
    params, out = snakemake.params, Path(snakemake.output.fit).parent
    settings = FitSettings.from_dict(params.settings)
    experiment = read_experiment(
        Path(snakemake.input.structures),
        Path(snakemake.input.labels),
        params.task,
        [Path(file) for file in snakemake.input.encoders],
        settings,
        LimitSettings(**params.limits),
        params.saved["largest"],
        workers=snakemake.threads,
    )
    _, refused = fit_few_labels(
        drawn_labels(experiment.labelled, params.saved["fit_labels"], settings.seed),
        out,
        Label(params.saved["column"], params.unit),
        experiment.features,
        experiment.encoders,
        experiment.paths,
        settings,
        workers=snakemake.threads,
    )
    write_refused(Path(snakemake.output.rejected), experiment.refused, refused)
