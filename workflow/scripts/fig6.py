"""Figure 6: attention against distance."""

from pathlib import Path

from job import job

from sitenet.plots.fig6 import Training, draw_fig6

with job(snakemake, done=f"written: {snakemake.output.pdf}"):
    draw_fig6(
        [
            Training(task, seed, Path(histogram), Path(heads))
            for task, seed, histogram, heads in zip(
                snakemake.params.titles,
                snakemake.params.seeds,
                snakemake.input.histograms,
                snakemake.input.tables,
                strict=True,
            )
        ],
        pdf=Path(snakemake.output.pdf),
        data=Path(snakemake.output.data),
        table=Path(snakemake.output.table),
    )
