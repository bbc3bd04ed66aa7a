"""Join the labels of a task to the crystals of a data set."""

from pathlib import Path

from job import dataset, job

from sitenet.options.datasets import LabelSettings
from sitenet.sources.label_table import write_labels

with job(snakemake):
    names, section = snakemake.wildcards, dataset(snakemake)
    write_labels(
        LabelSettings.from_dict(
            {
                "dataset": names.dataset,
                "source": section["source"],
                "task": names.task,
                "column": section["tasks"][names.task]["column"],
            }
        ),
        Path(snakemake.input.structures),
        out=Path(snakemake.output.labels),
        rejected=Path(snakemake.output.rejected),
    )
