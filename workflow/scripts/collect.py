"""Read and check the crystals of a data set."""

from pathlib import Path

from job import dataset, job

from sitenet.options.datasets import SourceSettings
from sitenet.options.limits import LimitSettings
from sitenet.sources.collect import collect

with job(snakemake):
    section = dataset(snakemake)
    collect(
        SourceSettings.from_dict(
            {
                "dataset": snakemake.wildcards.dataset,
                "source": section["source"],
                "max_rejected_fraction": section["max_rejected_fraction"],
            }
        ),
        structures=Path(snakemake.output.structures),
        rejected=Path(snakemake.output.rejected),
        workers=snakemake.threads,
        limits=LimitSettings(**snakemake.params.limits),
    )
