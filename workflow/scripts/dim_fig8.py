"""Figures 8 and 11 of Deep InfoMax: errors read from representations."""

from pathlib import Path

from job import job

from sitenet.parallel import chunked
from sitenet.plots.dim_fig8_11 import draw_dim_fig8_11

with job(snakemake, done=f"written: {snakemake.output.pdf}"):
    params = snakemake.params
    files = chunked(map(Path, snakemake.input.errors), params.representations)
    draw_dim_fig8_11(
        list(zip(params.titles, params.units, files, strict=True)),
        control=params.control,
        pdf=Path(snakemake.output.pdf),
        data=Path(snakemake.output.data),
        table=Path(snakemake.output.table),
    )
