"""Complexity of every crystal of a data set."""

from pathlib import Path

from job import job

from sitenet.analysis.crystal_complexity import write_complexity
from sitenet.options.limits import LimitSettings

with job(snakemake):
    write_complexity(
        Path(snakemake.input.structures),
        Path(snakemake.output.table),
        Path(snakemake.output.rejected),
        workers=snakemake.threads,
        limits=LimitSettings(**snakemake.params.limits),
    )
