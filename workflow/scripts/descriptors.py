"""Describe one share of the crystals that representations are compared on, by matminer."""

from pathlib import Path

from job import job

from sitenet.options.limits import LimitSettings
from sitenet.shards.descriptor_shard import build_descriptors
from sitenet.splits.parts import read_parts

with job(snakemake):
    drawn = snakemake.params.crystals
    build_descriptors(
        Path(snakemake.input.structures),
        chosen=[
            name
            for split in snakemake.input.splits
            for part, count in (("train", drawn["pool"]), ("test", drawn["test"]))
            for name in read_parts(Path(split)).drawn(part, count, drawn["seed"])
        ],
        kind=snakemake.wildcards.descriptor,
        part=int(snakemake.wildcards.part),
        parts=snakemake.params.parts,
        out=Path(snakemake.output.table),
        rejected=Path(snakemake.output.rejected),
        workers=snakemake.threads,
        limits=LimitSettings(**snakemake.params.limits),
    )
