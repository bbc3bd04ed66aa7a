"""Figure of a search for hyperparameters."""

from pathlib import Path

from job import job

from sitenet.plots.search import draw_search

with job(snakemake):
    draw_search(
        Path(snakemake.input.trials),
        Path(snakemake.input.curves),
        snakemake.params.run["unit"],
        Path(snakemake.output.pdf),
        Path(snakemake.output.data),
    )
