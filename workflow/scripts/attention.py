"""Attention of a trained model over the test crystals."""

from pathlib import Path

import pandas as pd
from job import accelerator, job

from sitenet.analysis.attention import write_attention

with job(snakemake):
    parts = pd.read_csv(snakemake.input.split, dtype=str, keep_default_na=False)
    write_attention(
        Path(snakemake.input.weights),
        [Path(shard) for shard in snakemake.input.shards],
        parts.id[parts.split == "test"].tolist(),
        Path(snakemake.output.histogram),
        Path(snakemake.output.table),
        batch_sites=snakemake.params.batch_sites,
        device="cuda" if accelerator(snakemake.resources.gpu) == "gpu" else "cpu",
    )
