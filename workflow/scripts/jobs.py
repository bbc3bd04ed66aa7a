"""Tables of the jobs that the results come from."""

from pathlib import Path

from job import job

from sitenet.provenance.job_tables import write_tables

with job(snakemake):
    write_tables(
        [*snakemake.input.results],
        Path("logs"),
        jobs=Path(snakemake.output.jobs),
        steps=Path(snakemake.output.steps),
        versions=Path(snakemake.output.versions),
    )
