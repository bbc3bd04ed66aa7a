"""Combine the runs of one setting that differ in their seed."""

from pathlib import Path

from job import job

from sitenet.evaluate.ensemble import write_ensemble

with job(snakemake):
    names = snakemake.wildcards
    write_ensemble(
        [Path(path) for path in snakemake.input.predictions],
        [Path(path) for path in snakemake.input.metrics],
        Path(snakemake.output.predictions),
        Path(snakemake.output.metrics),
        label=f"{names.dataset} N={names.n} {names.task} {names.variant}, ensemble",
    )
