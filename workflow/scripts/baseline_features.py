"""What the baselines know of every crystal of a data set."""

from pathlib import Path

from job import job

from sitenet.evaluate.baseline_features import write_baseline_features

with job(snakemake):
    write_baseline_features(
        Path(snakemake.input.structures),
        Path(snakemake.output.table),
        workers=snakemake.threads,
    )
