"""Metrics of all runs as one table."""

from pathlib import Path

from job import job

from sitenet.evaluate.metrics_table import write_metrics_table

with job(snakemake, done=f"written: {snakemake.output.csv}"):
    write_metrics_table(
        [Path(path) for path in snakemake.input.metrics],
        [Path(path) for path in snakemake.input.get("ensembles", [])],
        csv=Path(snakemake.output.csv),
        markdown=Path(snakemake.output.markdown),
    )
