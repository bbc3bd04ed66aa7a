"""Metrics of all runs as one table."""

from pathlib import Path

from job import job

from sitenet.evaluate.metrics_table import write_metrics_table

with job(snakemake, done=f"written: {snakemake.output.csv}"):
    write_metrics_table(
        *(
            [Path(path) for path in snakemake.input.get(name, [])]
            for name in ("metrics", "ensembles", "baselines", "splits")
        ),
        csv=Path(snakemake.output.csv),
        markdown=Path(snakemake.output.markdown),
    )
