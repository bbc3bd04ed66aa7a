"""Figure 5: learning curves and predictions."""

from pathlib import Path

from job import job

from sitenet.plots.fig5 import Fig5Run, draw_fig5

with job(snakemake, done=f"written: {snakemake.output.pdf}"):
    given = snakemake.input
    draw_fig5(
        [
            Fig5Run(title, label, unit, Path(history), Path(predictions), Path(metrics))
            for title, label, unit, history, predictions, metrics in zip(
                snakemake.params.titles,
                snakemake.params.labels,
                snakemake.params.units,
                given.history,
                given.predictions,
                given.metrics,
                strict=True,
            )
        ],
        pdf=Path(snakemake.output.pdf),
        data=Path(snakemake.output.data),
    )
