"""Figures 13 and S1 of Deep InfoMax: transfer and fixed representations side by side."""

from pathlib import Path

from job import job

from sitenet.plots.dim_joined import draw

with job(snakemake, done=f"written: {snakemake.output.pdf}"):
    draw(
        snakemake.params.titles,
        snakemake.params.units,
        [Path(file) for file in snakemake.input.transfer],
        [Path(file) for file in snakemake.input.representations],
        pdf=Path(snakemake.output.pdf),
        data=Path(snakemake.output.data),
        table=Path(snakemake.output.table),
    )
