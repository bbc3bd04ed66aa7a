"""Read, check and label the crystals of a data set."""

from pathlib import Path

from job import job

from sitenet.sources.collect import collect
from sitenet.sources.records import SourceSettings

with job(snakemake):
    collect(
        SourceSettings.from_config(snakemake.wildcards.dataset, snakemake.params.section),
        structures=Path(snakemake.output.structures),
        rejected=Path(snakemake.output.rejected),
        workers=snakemake.threads,
    )
