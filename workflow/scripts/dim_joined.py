"""Figures 13 and S1 of Deep InfoMax: transfer and fixed representations side by side."""

from pathlib import Path

from job import job

from sitenet.plots.dim_fig13_s1 import draw_dim_fig13_s1

with job(snakemake, done=f"written: {snakemake.output.pdf}"):
    draw_dim_fig13_s1(
        snakemake.params.titles,
        snakemake.params.units,
        [Path(file) for file in snakemake.input.transfer],
        [Path(file) for file in snakemake.input.representations],
        pdf=Path(snakemake.output.pdf),
        data=Path(snakemake.output.data),
        table=Path(snakemake.output.table),
    )
