"""Changes of a trained model's predictions with the description of test crystals."""

from pathlib import Path

from job import job

from sitenet.analysis.invariance import write_invariance
from sitenet.options.limits import LimitSettings
from sitenet.splits.parts import read_parts

with job(snakemake):
    write_invariance(
        Path(snakemake.input.weights),
        Path(snakemake.input.structures),
        read_parts(Path(snakemake.input.split)).ids("test"),
        snakemake.params.crystals,
        Path(snakemake.output.table),
        workers=snakemake.threads,
        limits=LimitSettings(**snakemake.params.limits),
    )
