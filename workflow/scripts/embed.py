"""Representations of all crystals of a data set by one encoder and its untrained control."""

from pathlib import Path

from job import accelerator, job

from sitenet.train.embed import write_embeddings

with job(snakemake):
    write_embeddings(
        Path(snakemake.input.weights),
        Path(snakemake.input.description),
        [Path(shard) for shard in snakemake.input.shards],
        Path(snakemake.output.trained),
        Path(snakemake.output.untrained),
        accelerator=accelerator(snakemake.resources.gpu),
    )
