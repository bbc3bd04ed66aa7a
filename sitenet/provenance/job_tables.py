"""Tables of jobs: one row per job, sums per rule, and versions."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from sitenet.progress import log
from sitenet.provenance.trace import COLUMNS, job_rows, jobs_behind, read_records, revision
from sitenet.tables import write_table


def jobs_table(jobs: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """`job_rows` as a table."""
    return pd.DataFrame(job_rows(jobs), columns=COLUMNS)


def steps_table(jobs: pd.DataFrame) -> pd.DataFrame:
    """Sums of `jobs_table` over the jobs of each rule; the last row sums over all jobs."""
    kinds = {
        "jobs": ("job", "size"),
        "attempts": ("attempts", "sum"),
        "wall_seconds": ("wall_seconds", "sum"),
        "longest_job_seconds": ("wall_seconds", "max"),
        "cpu_hours": ("cpu_hours", "sum"),
        "gpu_hours": ("gpu_hours", "sum"),
        "peak_memory_gib": ("peak_memory_gib", "max"),
    }
    rules = jobs.groupby("rule", sort=False).agg(**kinds)
    total = jobs.assign(rule="all").groupby("rule").agg(**kinds)
    return pd.concat([rules, total]).round(4).reset_index()


def versions_table(jobs: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Number of jobs with each commit, configuration, system, device and package version.

    Columns: name, version, jobs.
    """
    counts: Counter[tuple[str, str]] = Counter()
    for job in jobs:
        told = {name: job[name] for name in ("config", "system", "device")}
        counts.update({"commit": revision(job), **told, **job["versions"]}.items())
    order = list(dict.fromkeys(name for name, _ in counts))
    rows = [(name, version, jobs) for (name, version), jobs in counts.items()]
    rows.sort(key=lambda row: (order.index(row[0]), -row[2]))
    return pd.DataFrame(rows, columns=["name", "version", "jobs"])


def write_tables(files: Sequence[str], logs: Path, jobs: Path, steps: Path, versions: Path) -> None:
    """Write the tables of the jobs that `files` come from, as CSV files."""
    records = read_records(logs)
    if unknown := [file for file in files if file not in records]:
        log.warning(f"{len(unknown)} results have no record of their job, such as {unknown[0]}")
    found = jobs_behind(files, records)
    table = jobs_table(found)
    for path, content in ((jobs, table), (steps, steps_table(table)),
                          (versions, versions_table(found))):  # fmt: skip
        write_table(path, content)
    log.info(
        f"{len(found)} jobs, {table.attempts.sum() - len(found)} interrupted attempts, "
        f"{table.cpu_hours.sum():.2f} CPU hours, {table.gpu_hours.sum():.2f} GPU hours"
    )
