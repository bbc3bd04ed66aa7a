"""Map the test set's vectors on a plane."""

from pathlib import Path

from job import job

from sitenet.analysis.tsne import MapSettings, write_map

with job(snakemake):
    write_map(
        Path(snakemake.input.structures),
        Path(snakemake.input.split),
        snakemake.params.column,
        Path(snakemake.input.embeddings[0]),
        MapSettings(**snakemake.params.settings),
        Path(snakemake.output.points),
        Path(snakemake.output.scores),
    )
