"""Supercells of some crystals of a data set, by both rules."""

from pathlib import Path

from job import job

from sitenet.analysis.supercells import write_supercells
from sitenet.options.limits import LimitSettings

with job(snakemake):
    write_supercells(
        Path(snakemake.input.structures),
        int(snakemake.wildcards.n),
        snakemake.params.crystals,
        snakemake.params.tolerance,
        Path(snakemake.output.table),
        workers=snakemake.threads,
        limits=LimitSettings(**snakemake.params.limits),
    )
