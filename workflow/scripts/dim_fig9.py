"""Figure 9 of Deep InfoMax: maps of the representation; compounds of halogen and metal marked."""

from pathlib import Path

from job import job

from sitenet.parallel import chunked
from sitenet.plots.dim_maps import COLUMNS, MapRow, draw_classes

with job(snakemake, done=f"written: {snakemake.output.pdf}"):
    maps, scores = (
        chunked(map(Path, files), len(COLUMNS))
        for files in (snakemake.input.maps, snakemake.input.scores)
    )
    draw_classes(
        [MapRow(*row) for row in zip(snakemake.params.titles, maps, scores, strict=True)],
        pdf=Path(snakemake.output.pdf),
        data=Path(snakemake.output.data),
        table=Path(snakemake.output.table),
    )
