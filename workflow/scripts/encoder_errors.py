"""Errors of simple models on the vectors of one encoder, or on descriptors."""

from pathlib import Path

from job import job

from sitenet.few.encoder_errors import read_drawn, write_descriptor_errors, write_encoder_errors
from sitenet.options.representation import RepresentationSettings

with job(snakemake):
    given, out = snakemake.input, Path(snakemake.output.table)
    settings = RepresentationSettings.from_dict(snakemake.params.settings)
    drawn = read_drawn(
        Path(given.structures),
        Path(given.labels),
        Path(given.split),
        snakemake.wildcards.task,
        Path(given.descriptors),
        settings,
    )
    if snakemake.rule == "encoder_errors":
        write_encoder_errors(
            drawn, Path(given.weights), Path(given.vectors), settings, out, snakemake.threads
        )
    else:
        write_descriptor_errors(drawn, Path(given.descriptors), settings, out, snakemake.threads)
