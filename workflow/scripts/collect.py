"""Read, check and label the crystals of a data set."""

from pathlib import Path

from job import job

from sitenet.options.datasets import SourceSettings
from sitenet.options.limits import LimitSettings
from sitenet.sources.collect import collect

with job(snakemake):
    collect(
        SourceSettings.from_config(snakemake.wildcards.dataset, snakemake.params.section),
        structures=Path(snakemake.output.structures),
        rejected=Path(snakemake.output.rejected),
        workers=snakemake.threads,
        limits=LimitSettings(**snakemake.params.limits),
    )
