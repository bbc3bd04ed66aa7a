"""Featurise one share of the crystals of a data set."""

from pathlib import Path

from job import dataset, job

from sitenet.options.features import FeatureSettings
from sitenet.options.limits import LimitSettings
from sitenet.shards.featurise_shard import build_shard
from sitenet.shards.fitting import require_fitting

with job(snakemake):
    structures = Path(snakemake.input.structures)
    settings = FeatureSettings(**snakemake.params.features)
    require_fitting(structures, settings)
    build_shard(
        structures,
        part=int(snakemake.wildcards.part),
        parts=snakemake.params.parts,
        settings=settings,
        shard=Path(snakemake.output.shard),
        rejected=Path(snakemake.output.rejected),
        workers=snakemake.threads,
        limits=LimitSettings(**snakemake.params.limits),
        # No parameter, since it decides whether there is a result, not which.
        max_rejected_fraction=dataset(snakemake)["max_rejected_fraction"],
    )
