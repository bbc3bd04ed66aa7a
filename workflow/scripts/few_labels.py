"""The figure and table of the best model for few labels."""

from pathlib import Path

from job import job

from sitenet.plots.few_labels import draw_few_labels

with job(snakemake, done=f"written: {snakemake.output.pdf}"):
    params = snakemake.params
    curves = [Path(file) for file in snakemake.input.curves]
    draw_few_labels(
        list(zip(params.titles, params.units, curves, strict=True)),
        pdf=Path(snakemake.output.pdf),
        data=Path(snakemake.output.data),
        table=Path(snakemake.output.table),
    )
