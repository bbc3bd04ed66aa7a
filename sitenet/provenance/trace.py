"""From a result back to the jobs it comes from, and tables of all of them."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from sitenet.files import read_json
from sitenet.progress import log
from sitenet.tables import write_table

COLUMNS = [
    "job", "rule", "wildcards", "seeds", "commit", "config", "device", "threads", "gpus", "started",
    "attempts", "wall_seconds", "cpu_hours", "gpu_hours", "peak_memory_gib", "needs", "outputs",
]  # fmt: skip


def read_records(logs: Path) -> dict[str, dict[str, Any]]:
    """The latest record of a finished job for each output, from the JSON files under `logs`."""
    found = [record for path in sorted(logs.rglob("*.json")) if (record := _read(path))]
    found.sort(key=lambda record: record["finished"])
    return {output: record for record in found for output in record["outputs"]}


def jobs_behind(
    files: Sequence[str], records: Mapping[str, dict[str, Any]]
) -> list[dict[str, Any]]:
    """The records of all jobs that `files` come from, each once and after those it needs.

    Files without a record (they are the user's, or older than the records) have no job.
    """
    ordered: dict[str, dict[str, Any]] = {}
    waiting = [(file, False) for file in reversed(files)]
    seen = set()
    while waiting:
        file, done = waiting.pop()
        record = records.get(file)
        if record is None:
            continue
        name = record["outputs"][0]
        if done:
            ordered[name] = record
        elif name not in seen:
            seen.add(name)
            waiting.append((file, True))
            waiting += [(given, False) for given in reversed(record["inputs"])]
    return list(ordered.values())


def jobs_table(jobs: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """One row of `COLUMNS` for each job: what it was, where it ran, what it took.

    commit has a + where tracked files differed from it; started is in UTC; costs include those of
    attempts that were stopped; the memory is that of the largest process; needs has the numbers of
    the jobs whose outputs it read. Lists are separated by spaces.
    """
    maker = {output: number for number, job in enumerate(jobs, 1) for output in job["outputs"]}
    rows = [
        {
            "job": number,
            "rule": job["rule"],
            "wildcards": _pairs(job["wildcards"].items()),
            "seeds": _pairs(_seeds(job["params"])),
            "commit": revision(job),
            "config": job["config"],
            "device": job["device"],
            "threads": job["threads"],
            "gpus": job["gpus"],
            "started": job["started"],
            "attempts": job["attempts"],
            "wall_seconds": round(job["wall_seconds"], 2),
            "cpu_hours": round(job["cpu_seconds"] / 3600, 4),
            "gpu_hours": round(job["gpu_seconds"] / 3600, 4),
            "peak_memory_gib": round(job["peak_memory_bytes"] / 2**30, 2),
            "needs": _words(sorted({maker[file] for file in job["inputs"] if file in maker})),
            "outputs": _words(job["outputs"]),
        }
        for number, job in enumerate(jobs, 1)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def steps_table(jobs: pd.DataFrame) -> pd.DataFrame:
    """Sums of `jobs_table` over the jobs of each rule, and over all of them in the last row."""
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
    """Each commit, configuration, system, device and package version, with its number of jobs.

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
    """Write the tables of the jobs that `files` come from as CSV files."""
    records = read_records(logs)
    if unknown := [file for file in files if file not in records]:
        log.warning(f"{len(unknown)} results have no record of their job, such as {unknown[0]}")
    found = jobs_behind(files, records)
    table = jobs_table(found)
    for path, content in ((jobs, table), (steps, steps_table(table)),
                          (versions, versions_table(found))):  # fmt: skip
        write_table(path, content)
    log.info(
        f"{len(found)} jobs, {table.attempts.sum() - len(found)} attempts before them, "
        f"{table.cpu_hours.sum():.2f} CPU hours, {table.gpu_hours.sum():.2f} GPU hours"
    )


def revision(job: Mapping[str, Any]) -> str:
    """The commit of a record in short, with + if tracked files differed from it."""
    return job["commit"][:12] + "+" * bool(job["changed"]) if job["commit"] else "none"


def _read(path: Path) -> dict[str, Any] | None:
    """The record in a JSON file; None if it is another file or of an unfinished job."""
    try:
        record = read_json(path)
    except json.JSONDecodeError:
        return None
    whole = isinstance(record, dict) and record.get("finished") and record.get("outputs")
    return record if whole else None


def _seeds(params: Mapping[str, Any], where: str = "") -> Iterator[tuple[str, Any]]:
    """Every option named seed or seeds, with its dotted name."""
    for name, value in params.items():
        if isinstance(value, Mapping):
            yield from _seeds(value, f"{where}{name}.")
        elif name in ("seed", "seeds"):
            yield f"{where}{name}", value


def _pairs(items: Iterable[tuple[str, Any]]) -> str:
    return _words(f"{name}={value}" for name, value in items)


def _words(parts: Iterable[Any]) -> str:
    return " ".join(map(str, parts))
