"""Errors of every arm on the test crystals, by number of labels."""

from pathlib import Path

from job import job

from sitenet.few.curves import Draw, write_curve
from sitenet.few.experiment import read_experiment, write_refused
from sitenet.few.fit import prepare
from sitenet.options.few_labels import FitSettings
from sitenet.options.limits import LimitSettings
from sitenet.splits.parts import read_parts

with job(snakemake):
    params, draws, out = snakemake.params, snakemake.params.draws, Path(snakemake.output.table)
    settings = FitSettings.from_dict(params.settings)
    experiment = read_experiment(
        Path(snakemake.input.structures),
        Path(snakemake.input.labels),
        params.task,
        [Path(file) for file in snakemake.input.encoders],
        settings,
        LimitSettings(**params.limits),
        draws["largest"],
        workers=snakemake.threads,
    )
    ready = prepare(experiment.labelled, experiment.encoders, experiment.paths, settings)
    write_refused(Path(snakemake.output.rejected), experiment.refused, ready.refused)
    write_curve(
        ready,
        read_parts(Path(snakemake.input.split)),
        [Draw(count, mask) for count in draws["label_counts"] for mask in range(draws["masks"])],
        settings.seed,
        finished=out.with_suffix(".unfinished"),
        out=out,
        workers=snakemake.threads,
    )
