"""Decide which labelled crystals train, validate and test."""

from pathlib import Path

from job import job

from sitenet.options.split import SplitSettings
from sitenet.splits.split import make_split

with job(snakemake):
    make_split(
        Path(snakemake.input.labels),
        snakemake.wildcards.task,
        SplitSettings.from_dict(snakemake.params.section),
        out_csv=Path(snakemake.output.split),
        out_report=Path(snakemake.output.report),
    )
