"""Errors of the baselines of all runs of a task."""

from pathlib import Path

from job import job

from sitenet.evaluate.baselines import write_baselines

with job(snakemake):
    write_baselines(
        [Path(path) for path in snakemake.input.predictions],
        Path(snakemake.input.features),
        Path(snakemake.output.table),
        seed=snakemake.params.seed,
        workers=snakemake.threads,
    )
