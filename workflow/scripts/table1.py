"""Settings of the models beside those of the paper."""

from pathlib import Path

from job import job

from sitenet.plots.table1 import write_table1

with job(snakemake, done=f"written: {snakemake.output.csv}"):
    write_table1(
        list(zip(snakemake.params.titles, map(Path, snakemake.input.descriptions), strict=True)),
        csv_path=Path(snakemake.output.csv),
        markdown=Path(snakemake.output.markdown),
    )
