"""Record of a job next to its log: inputs, settings, versions, machine and cost, as JSON."""

import hashlib
import json
import platform
import resource
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from threading import Event, Thread
from time import time
from typing import Any

from sitenet import __version__
from sitenet.files import read_json, write_json

PACKAGES = (
    "torch", "triton", "numpy", "scipy", "pandas", "pyarrow", "pymatgen", "spglib",
    "matminer", "scikit-learn", "matplotlib", "ray", "snakemake",
)  # fmt: skip
"""Packages whose versions are recorded if they are installed."""

COST = ("attempts", "wall_seconds", "cpu_seconds", "gpu_seconds")
"""Costs that are summed over the attempts of a job."""

INTERVAL = 30.0
"""Seconds between updates of a running job's record; a kill loses at most this much."""


@dataclass(frozen=True)
class Job:
    """A job of the workflow; `gpus` is the number of GPUs that it uses."""

    rule: str
    wildcards: Mapping[str, str]
    inputs: Sequence[str]
    outputs: Sequence[str]
    params: Mapping[str, Any]
    config: Mapping[str, Any]
    threads: int
    gpus: int


@contextmanager
def recorded(path: Path, job: Job, source: Path, started: float) -> Iterator[None]:
    """Keep the record of `job` at `path` while the block runs; `finished` is null until it ends.

    Times are in seconds, memory in bytes. Costs include those of earlier interrupted attempts with
    the same parameters and outputs. After an exception the record remains unfinished.

    Args:
        path: JSON file to write.
        job: the job that is run.
        source: folder of the workflow, whose git commit is recorded.
        started: start time, as returned by `time.time`.
    """
    about = _about(job, source)
    earlier = _unfinished(path, about)

    def write(finished: str | None) -> None:
        cost = _cost(started, job.gpus)
        totals = {name: cost[name] + earlier.get(name, 0) for name in COST}
        times = {"started": _utc(started), "finished": finished}
        # Only at the end: querying the name of a GPU allocates memory on it.
        name = device(job.gpus) if finished else None
        write_json(path, {**about, "device": name, **times, **cost, **totals})

    stop = Event()

    def keep_up() -> None:
        while not stop.wait(INTERVAL):
            with suppress(OSError):  # a full disk
                write(None)

    write(None)
    keeper = Thread(target=keep_up, daemon=True)
    keeper.start()
    try:
        yield
    except BaseException:
        stop.set()
        keeper.join()
        with suppress(OSError):
            write(None)
        raise
    stop.set()
    keeper.join()
    write(_utc(time()))


def fingerprint(settings: Mapping[str, Any]) -> str:
    """First 12 hexadecimal digits of the SHA-256 of `settings` as JSON with sorted keys."""
    text = json.dumps(settings, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def device(gpus: int) -> str:
    """Model name of the GPU if the job uses one, otherwise of the processor."""
    torch = sys.modules.get("torch")
    if gpus and torch is not None:
        return str(torch.cuda.get_device_name())
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def commit(source: Path) -> tuple[str | None, bool | None]:
    """Git commit of the checkout in `source`, and whether tracked files differ from it.

    Both are None if `source` is not a checkout or git is not installed.
    """
    if not (source / ".git").exists():
        return None, None

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(source), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "HEAD"), bool(git("status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.CalledProcessError):
        return None, None


def versions() -> dict[str, str]:
    """Versions of Python, of this package and of its dependencies."""
    found = {"python": platform.python_version(), "sitenet": __version__}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _about(job: Job, source: Path) -> dict[str, Any]:
    """The constant part of a record, converted to JSON types."""
    name, changed = commit(source)
    about = {
        "rule": job.rule,
        "wildcards": dict(job.wildcards),
        "inputs": list(job.inputs),
        "outputs": list(job.outputs),
        "params": dict(job.params),
        "config": fingerprint(job.config),
        "commit": name,
        "changed": changed,
        "versions": versions(),
        "system": f"{platform.system()} {platform.machine()}",
        "threads": job.threads,
        "gpus": job.gpus,
    }
    return dict(json.loads(json.dumps(about, default=str)))


def _unfinished(path: Path, about: Mapping[str, Any]) -> dict[str, Any]:
    """The record of interrupted attempts at the same job; empty if there is none."""
    try:
        record = read_json(path)
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    same = all(record.get(name) == about[name] for name in ("rule", "outputs", "params"))
    return dict(record) if same and record["finished"] is None else {}


def _cost(started: float, gpus: int) -> dict[str, Any]:
    """Cost of this attempt so far, including child processes that have ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    unit = 1 if sys.platform == "darwin" else 1024
    wall = time() - started
    return {
        "attempts": 1,
        "wall_seconds": wall,
        "cpu_seconds": sum(usage.ru_utime + usage.ru_stime for usage in usages),
        "gpu_seconds": gpus * wall,
        "peak_memory_bytes": max(usage.ru_maxrss for usage in usages) * unit,
    }


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
