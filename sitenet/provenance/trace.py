"""The jobs that a result comes from, found in the records next to the logs."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sitenet.files import read_json

COLUMNS = [
    "job", "rule", "wildcards", "seeds", "commit", "config", "device", "threads", "gpus", "started",
    "attempts", "wall_seconds", "cpu_hours", "gpu_hours", "peak_memory_gib", "needs", "outputs",
]  # fmt: skip


def read_records(logs: Path) -> dict[str, dict[str, Any]]:
    """The record of the last finished job for each output, from the JSON files under `logs`."""
    found = [record for path in sorted(logs.rglob("*.json")) if (record := _read(path))]
    found.sort(key=lambda record: record["finished"])
    return {output: record for record in found for output in record["outputs"]}


def jobs_behind(
    files: Sequence[str], records: Mapping[str, dict[str, Any]]
) -> list[dict[str, Any]]:
    """Records of all jobs that `files` come from, in an order in which they could have been run.

    Files without a record (a user's files, or files older than the records) are skipped.
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


def job_rows(jobs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row with the keys `COLUMNS` for each job: what it was, where it ran and what it cost.

    commit ends with + if tracked files differed from it. started is in UTC. Costs include those of
    interrupted attempts, and peak_memory_gib is that of the largest process. needs lists the
    numbers of the jobs whose outputs were read. Lists are separated by spaces.
    """
    maker = {output: number for number, job in enumerate(jobs, 1) for output in job["outputs"]}
    return [
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


def revision(job: Mapping[str, Any]) -> str:
    """Abbreviated commit of a record, with + if tracked files differed from it."""
    return job["commit"][:12] + "+" * bool(job["changed"]) if job["commit"] else "none"


def _read(path: Path) -> dict[str, Any] | None:
    """The record in a JSON file; None for an unfinished job or another kind of file."""
    try:
        record = read_json(path)
    except json.JSONDecodeError:
        return None
    whole = isinstance(record, dict) and record.get("finished") and record.get("outputs")
    return record if whole else None


def _seeds(params: Mapping[str, Any], where: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted name and value of every option called seed or seeds."""
    for name, value in params.items():
        if isinstance(value, Mapping):
            yield from _seeds(value, f"{where}{name}.")
        elif name in ("seed", "seeds"):
            yield f"{where}{name}", value


def _pairs(items: Iterable[tuple[str, Any]]) -> str:
    return _words(f"{name}={value}" for name, value in items)


def _words(parts: Iterable[Any]) -> str:
    return " ".join(map(str, parts))
