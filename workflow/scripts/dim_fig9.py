"""Figure 9 of Deep InfoMax: maps of the representation; compounds of halogen and metal marked."""

from pathlib import Path

from job import job

from sitenet.parallel import chunked
from sitenet.plots.dim_fig9_10 import COLUMNS, MapRow, draw_dim_fig9

with job(snakemake, done=f"written: {snakemake.output.pdf}"):
    maps, scores = (
        chunked(map(Path, files), len(COLUMNS))
        for files in (snakemake.input.maps, snakemake.input.scores)
    )
    draw_dim_fig9(
        [MapRow(*row) for row in zip(snakemake.params.titles, maps, scores, strict=True)],
        pdf=Path(snakemake.output.pdf),
        data=Path(snakemake.output.data),
        table=Path(snakemake.output.table),
    )
