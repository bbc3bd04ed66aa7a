"""Featurise one share of the crystals of a data set."""

from pathlib import Path

from job import dataset, job

from sitenet.options.features import FeatureSettings
from sitenet.shards.featurise_shard import build_shard

with job(snakemake):
    build_shard(
        Path(snakemake.input.structures),
        part=int(snakemake.wildcards.part),
        parts=snakemake.params.parts,
        settings=FeatureSettings(**snakemake.params.features),
        shard=Path(snakemake.output.shard),
        rejected=Path(snakemake.output.rejected),
        workers=snakemake.threads,
        # No parameter, since it decides whether there is a result, not which.
        max_rejected_fraction=dataset(snakemake)["max_rejected_fraction"],
    )
