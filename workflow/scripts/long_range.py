"""Long-range coefficients of test crystals and of some training crystals under a model."""

from pathlib import Path

from job import accelerator, job

from sitenet.analysis.long_range import write
from sitenet.sources.subset import draw

with job(snakemake.log[0]):
    split = Path(snakemake.input.split)
    test = draw(split, "test", None, 0)
    training = draw(split, "train", snakemake.params.training, 0)
    write(
        Path(snakemake.input.weights),
        [Path(shard) for shard in snakemake.input.shards],
        dict.fromkeys(test, "test") | dict.fromkeys(training, "train"),
        Path(snakemake.output.table),
        batch_sites=snakemake.params.batch_sites,
        device="cuda" if accelerator(snakemake.resources.gpu) == "gpu" else "cpu",
    )
