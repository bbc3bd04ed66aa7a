"""All refused crystals as one table."""

from pathlib import Path

from job import job

from sitenet.provenance.rejections import write_rejections

with job(snakemake):
    write_rejections([Path(path) for path in snakemake.input.lists], Path(snakemake.output.table))
