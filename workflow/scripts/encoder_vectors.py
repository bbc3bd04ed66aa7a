"""Vectors of the crystals that encoders are compared on, by one of them and its control."""

from pathlib import Path

from job import job

from sitenet.few.encoder_vectors import write_encoder_vectors
from sitenet.options.limits import LimitSettings

with job(snakemake):
    write_encoder_vectors(
        Path(snakemake.input.weights),
        Path(snakemake.input.structures),
        Path(snakemake.input.drawn),
        Path(snakemake.output.table),
        workers=snakemake.threads,
        limits=LimitSettings(**snakemake.params.limits),
    )
