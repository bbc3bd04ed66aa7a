"""Figure 7: range of the attention against complexity and size."""

from pathlib import Path

from job import job

from sitenet.plots.fig7 import Training, draw_fig7

with job(snakemake, done=f"written: {snakemake.output.pdf}"):
    draw_fig7(
        [
            Training(task, dataset, seed, Path(long_range), Path(complexity))
            for task, dataset, seed, long_range, complexity in zip(
                snakemake.params.titles,
                snakemake.params.datasets,
                snakemake.params.seeds,
                snakemake.input.long_range,
                snakemake.input.complexity,
                strict=True,
            )
        ],
        pdf=Path(snakemake.output.pdf),
        data=Path(snakemake.output.data),
        table=Path(snakemake.output.table),
        tasks_table=Path(snakemake.output.tasks),
    )
