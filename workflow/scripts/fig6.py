"""Figure 6: attention against distance."""

from pathlib import Path

from job import job

from sitenet.plots.fig6 import draw_fig6

with job(snakemake, done=f"written: {snakemake.output.pdf}"):
    draw_fig6(
        [
            (title, Path(histogram), Path(table))
            for title, histogram, table in zip(
                snakemake.params.titles,
                snakemake.input.histograms,
                snakemake.input.tables,
                strict=True,
            )
        ],
        pdf=Path(snakemake.output.pdf),
        data=Path(snakemake.output.data),
        table=Path(snakemake.output.table),
    )
