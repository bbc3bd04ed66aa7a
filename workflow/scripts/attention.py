"""Attention of a trained model over the test crystals."""

from pathlib import Path

from job import device, job

from sitenet.analysis.attention import write_attention
from sitenet.splits.parts import read_parts

with job(snakemake):
    write_attention(
        Path(snakemake.input.weights),
        [Path(shard) for shard in snakemake.input.shards],
        read_parts(Path(snakemake.input.split)).ids("test"),
        Path(snakemake.output.histogram),
        Path(snakemake.output.table),
        batch_sites=snakemake.params.batch_sites,
        device=device(snakemake.resources.gpu),
    )
