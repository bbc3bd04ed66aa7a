"""Featurise one share of the crystals of a data set."""

from pathlib import Path

from job import job

from sitenet.options.features import FeatureSettings
from sitenet.options.limits import LimitSettings
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
        limits=LimitSettings(**snakemake.params.limits),
        max_rejected_fraction=snakemake.params.max_rejected_fraction,
    )
