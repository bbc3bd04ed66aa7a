"""`sitenet trace`: the jobs that a result comes from."""

from argparse import Namespace
from pathlib import Path

from sitenet.cli.csv_output import write_csv
from sitenet.provenance.trace import COLUMNS, job_rows, jobs_behind, read_records


def run_trace(options: Namespace) -> None:
    """Write a row for each job (see `provenance.trace.job_rows`), from the records under logs/.

    That folder is beside results/, which has a prefix where the pipeline is a module of another.
    Raises ValueError if no job has recorded that it wrote the file.
    """
    parts = Path(options.file).parts
    prefix = parts[: parts.index("results")] if "results" in parts else ()
    logs = Path(*prefix, "logs")
    records = read_records(logs)
    if options.file not in records:
        raise ValueError(
            f"no job in {logs}/ wrote {options.file} (give a path such as results/figures/fig7.pdf)"
        )
    rows = job_rows(jobs_behind([options.file], records))
    write_csv(options.out, COLUMNS, ([row[name] for name in COLUMNS] for row in rows))
