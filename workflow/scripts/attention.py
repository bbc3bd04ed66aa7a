"""What a trained model attends to: by distance, long-range coefficients, its range."""

from pathlib import Path

from job import device, job

from sitenet.analysis.attention import write_attention
from sitenet.analysis.long_range import tested_and_trained, write_long_range
from sitenet.analysis.reach import write_reach
from sitenet.splits.parts import parts_of_run

with job(snakemake):
    given, out = snakemake.input, snakemake.output
    weights, predictions = Path(given.weights), Path(given.predictions)
    shards = [Path(shard) for shard in given.shards]
    how = {
        "batch_sites": snakemake.params.batch_sites,
        "device": device(snakemake.resources.gpu),
    }
    tested = parts_of_run(predictions).ids("test")
    write_attention(weights, shards, tested, Path(out.histogram), Path(out.table), **how)
    parts = tested_and_trained(predictions, snakemake.params.training)
    write_long_range(weights, shards, parts, Path(out.long_range), **how)
    write_reach(weights, shards, predictions, Path(out.reach), **how)
