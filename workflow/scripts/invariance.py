"""Changes of a trained model's predictions with the description of test crystals."""

from pathlib import Path

import pandas as pd
from job import job

from sitenet.analysis.invariance import write_invariance

with job(snakemake):
    parts = pd.read_csv(snakemake.input.split, dtype=str, keep_default_na=False)
    write_invariance(
        Path(snakemake.input.weights),
        Path(snakemake.input.structures),
        parts.id[parts.split == "test"].tolist(),
        snakemake.params.crystals,
        Path(snakemake.output.table),
        workers=snakemake.threads,
    )
