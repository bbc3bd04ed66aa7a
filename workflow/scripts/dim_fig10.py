"""Figure 10 of Deep InfoMax: maps of the representation, coloured by the property."""

from pathlib import Path

from job import job

from sitenet.parallel import chunked
from sitenet.plots.dim_fig9_10 import COLUMNS, PropertyRow, draw_dim_fig10

with job(snakemake, done=f"written: {snakemake.output.pdf}"):
    params = snakemake.params
    maps = chunked(map(Path, snakemake.input.maps), len(COLUMNS))
    rows = zip(params.titles, params.labels, params.units, maps, strict=True)
    draw_dim_fig10(
        [PropertyRow(*row) for row in rows],
        pdf=Path(snakemake.output.pdf),
        data=Path(snakemake.output.data),
    )
