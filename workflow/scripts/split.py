"""Decide which labelled crystals train, validate and test."""

from pathlib import Path

from job import job

from sitenet.splits.split import SplitSettings, make_split

with job(snakemake):
    make_split(
        Path(snakemake.input.structures),
        snakemake.wildcards.task,
        SplitSettings.from_config(snakemake.params.section),
        out_csv=Path(snakemake.output.split),
        out_report=Path(snakemake.output.report),
    )
