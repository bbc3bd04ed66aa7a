"""Figure 7 of Deep InfoMax: errors after training on few labels."""

from pathlib import Path

from job import job

from sitenet.plots.dim_fig7 import draw_dim_fig7

with job(snakemake, done=f"written: {snakemake.output.pdf}"):
    draw_dim_fig7(
        snakemake.params.titles,
        snakemake.params.units,
        [Path(file) for file in snakemake.input.errors],
        pdf=Path(snakemake.output.pdf),
        data=Path(snakemake.output.data),
        table=Path(snakemake.output.table),
    )
