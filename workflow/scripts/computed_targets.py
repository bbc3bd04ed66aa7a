"""Compute what networks can learn of the crystals of a shard without a label."""

from pathlib import Path

from job import job

from sitenet.shards.computed_targets import write_computed_targets

with job(snakemake):
    names = snakemake.wildcards
    write_computed_targets(
        Path(snakemake.input.shard),
        Path(snakemake.output.table),
        label=f"{names.dataset} N={names.n}, computed targets {names.part}",
    )
