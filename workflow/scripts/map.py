"""Map the test set's vectors on a plane."""

from pathlib import Path

from job import job

from sitenet.analysis.tsne import write_map
from sitenet.options.representation import MapSettings

with job(snakemake):
    write_map(
        Path(snakemake.input.labels),
        Path(snakemake.input.split),
        snakemake.params.column,
        Path(snakemake.input.embeddings[0]),
        MapSettings(**snakemake.params.settings),
        Path(snakemake.output.points),
        Path(snakemake.output.scores),
    )
