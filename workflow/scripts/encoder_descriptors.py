"""Describe the crystals that encoders are compared on."""

from pathlib import Path

from job import job

from sitenet.few.drawn_crystals import write_descriptors
from sitenet.options.limits import LimitSettings
from sitenet.options.representation import RepresentationSettings
from sitenet.splits.parts import read_parts

with job(snakemake):
    write_descriptors(
        Path(snakemake.input.structures),
        [read_parts(Path(file)) for file in snakemake.input.splits],
        RepresentationSettings.from_dict(snakemake.params.settings),
        Path(snakemake.output.table),
        Path(snakemake.output.rejected),
        workers=snakemake.threads,
        limits=LimitSettings(**snakemake.params.limits),
    )
