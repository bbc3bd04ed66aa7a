"""Figure of predictions for other descriptions of the same crystals."""

from pathlib import Path

from job import job

from sitenet.plots.invariance import draw_invariance

with job(snakemake, done=f"written: {snakemake.output.pdf}"):
    draw_invariance(
        [
            (title, unit, Path(changes))
            for title, unit, changes in zip(
                snakemake.params.titles,
                snakemake.params.units,
                snakemake.input.changes,
                strict=True,
            )
        ],
        pdf=Path(snakemake.output.pdf),
        data=Path(snakemake.output.data),
        table=Path(snakemake.output.table),
    )
