"""Long-range coefficients of test crystals and of some training crystals under a model."""

from pathlib import Path

from job import device, job

from sitenet.analysis.long_range import tested_and_trained, write_long_range

with job(snakemake):
    write_long_range(
        Path(snakemake.input.weights),
        [Path(shard) for shard in snakemake.input.shards],
        tested_and_trained(Path(snakemake.input.predictions), snakemake.params.training),
        Path(snakemake.output.table),
        batch_sites=snakemake.params.batch_sites,
        device=device(snakemake.resources.gpu),
    )
