"""Complexity of every crystal of a data set."""

from pathlib import Path

from job import job

from sitenet.analysis.crystal_complexity import write

with job(snakemake):
    write(
        Path(snakemake.input.structures),
        Path(snakemake.output.table),
        Path(snakemake.output.rejected),
        workers=snakemake.threads,
    )
