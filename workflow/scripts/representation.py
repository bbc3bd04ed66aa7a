"""Errors of simple models on one representation, given few labels."""

from pathlib import Path

from job import job

from sitenet.evaluate.representation import labelled, write_representation_errors
from sitenet.options.representation import RepresentationSettings

with job(snakemake):
    settings = RepresentationSettings.from_dict(snakemake.params.settings)
    crystals = labelled(
        Path(snakemake.input.labels),
        Path(snakemake.input.split),
        snakemake.params.column,
        [Path(file) for file in snakemake.input.shards],
        snakemake.params.n_atoms,
        [Path(file) for file in snakemake.input.rejected],
        settings,
    )
    write_representation_errors(
        crystals,
        [Path(file) for file in snakemake.input.vectors],
        (snakemake.wildcards.experiment, snakemake.wildcards.representation),
        settings,
        Path(snakemake.output.table),
        workers=snakemake.threads,
    )
