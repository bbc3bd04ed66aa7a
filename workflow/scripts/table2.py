"""Errors by supercell size and cutoff."""

from pathlib import Path

from job import job

from sitenet.plots.table2_3 import write_table2

with job(snakemake, done=f"written: {snakemake.output.csv}"):
    metrics = [Path(path) for path in snakemake.input.metrics]
    write_table2(metrics, Path(snakemake.output.csv), Path(snakemake.output.markdown))
