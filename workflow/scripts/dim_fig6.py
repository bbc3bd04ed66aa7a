"""Figure 6 of the second paper: learning curves of the pre-trainings."""

from pathlib import Path

from job import job

from sitenet.plots.dim_fig6 import draw_dim_fig6

with job(snakemake):
    draw_dim_fig6(
        [Path(path) for path in snakemake.input.histories],
        snakemake.params.titles,
        Path(snakemake.output.pdf),
        Path(snakemake.output.data),
    )
