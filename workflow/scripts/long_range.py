"""Long-range coefficients of test and some training crystals under a model, and its range."""

from pathlib import Path

from job import device, job

from sitenet.analysis.long_range import tested_and_trained, write_long_range
from sitenet.analysis.reach import write_reach

with job(snakemake):
    weights, predictions = Path(snakemake.input.weights), Path(snakemake.input.predictions)
    shards = [Path(shard) for shard in snakemake.input.shards]
    how = {
        "batch_sites": snakemake.params.batch_sites,
        "device": device(snakemake.resources.gpu),
    }
    parts = tested_and_trained(predictions, snakemake.params.training)
    write_long_range(weights, shards, parts, Path(snakemake.output.table), **how)
    write_reach(weights, shards, predictions, Path(snakemake.output.reach), **how)
