"""Measures of the range of networks, against the range of their labels where it is known."""

from pathlib import Path

from job import job

from sitenet.plots.range import Training, draw_range

with job(snakemake, done=f"written: {snakemake.output.pdf}"):
    given, names = snakemake.input, snakemake.params
    with_cutoff = [{} for _ in names.titles]
    for index, cutoff, metrics in zip(
        names.unrestricted, names.cutoffs, given.restricted, strict=True
    ):
        with_cutoff[index][cutoff] = Path(metrics)
    draw_range(
        [
            Training(task, known, seed, *map(Path, tables), with_cutoff=cutoffs)
            for task, known, seed, *tables, cutoffs in zip(
                names.titles,
                names.known_ranges,
                names.seeds,
                given.long_range,
                given.heads,
                given.reach,
                given.metrics,
                with_cutoff,
                strict=True,
            )
        ],
        pdf=Path(snakemake.output.pdf),
        data=Path(snakemake.output.data),
        table=Path(snakemake.output.table),
        readings_table=Path(snakemake.output.readings),
        tasks_table=Path(snakemake.output.tasks),
    )
