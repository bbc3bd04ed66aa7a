"""Errors by supercell size and number of training crystals."""

from pathlib import Path

from job import job

from sitenet.plots.table2_3 import write_table3

with job(snakemake, done=f"written: {snakemake.output.csv}"):
    metrics = [Path(path) for path in snakemake.input.metrics]
    write_table3(metrics, Path(snakemake.output.csv), Path(snakemake.output.markdown))
