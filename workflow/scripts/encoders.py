"""The figure and tables of encoders."""

from pathlib import Path

from job import job

from sitenet.plots.encoders import draw_encoders

with job(snakemake, done=f"written: {snakemake.output.pdf}"):
    params = snakemake.params
    draw_encoders(
        dict(zip(params.titles, params.units, strict=True)),
        [(*names, Path(file)) for names, file in zip(params.names, snakemake.input, strict=True)],
        pdf=Path(snakemake.output.pdf),
        data=Path(snakemake.output.data),
        table=Path(snakemake.output.table),
        tests=Path(snakemake.output.tests),
    )
