"""The tables of the report as pages."""

from pathlib import Path

from job import job

from sitenet.plots.pages import write_page

with job(snakemake):
    for table, page in zip(snakemake.input.tables, snakemake.output, strict=True):
        write_page(Path(table), Path(page))
