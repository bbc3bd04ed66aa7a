"""Figure of the sizes and shapes of supercells."""

from pathlib import Path

from job import job

from sitenet.plots.supercells import draw_supercells

with job(snakemake, done=f"written: {snakemake.output.pdf}"):
    draw_supercells(
        [
            (title, n_atoms, Path(measures))
            for title, n_atoms, measures in zip(
                snakemake.params.titles,
                snakemake.params.sizes,
                snakemake.input.measures,
                strict=True,
            )
        ],
        pdf=Path(snakemake.output.pdf),
        data=Path(snakemake.output.data),
        table=Path(snakemake.output.table),
    )
