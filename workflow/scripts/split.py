"""Decide which labelled crystals train, validate and test."""

from pathlib import Path

from job import job

from sitenet.options.split import SplitSettings
from sitenet.splits.split import make_split

with job(snakemake):
    names = snakemake.wildcards
    features = [Path(path) for path in snakemake.input.features]
    make_split(
        Path(snakemake.input.labels),
        Path(snakemake.input.structures),
        names.task,
        SplitSettings.from_dict(snakemake.params.section),
        out_csv=Path(snakemake.output.split),
        out_report=Path(snakemake.output.report),
        features=features[0] if features else None,
        held_out=[Path(path) for path in snakemake.input.held_out],
        fold=int(names.fold.removeprefix(".fold") or 0),
        output=snakemake.params.output,
    )
