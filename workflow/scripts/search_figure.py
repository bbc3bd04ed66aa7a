"""Figure of a search for hyperparameters."""

from pathlib import Path

from job import job

from sitenet.plots.tuning import draw

with job(snakemake):
    draw(
        Path(snakemake.input.trials),
        Path(snakemake.input.curves),
        snakemake.params.run["unit"],
        Path(snakemake.output.pdf),
        Path(snakemake.output.data),
    )
