"""How well a finished run used its cores, and how long a part of it would take alone.

    python benchmarks/schedule.py --run . --cores 2
    python benchmarks/schedule.py --run . --cores 2 --target results/figures/fig7.pdf

The first prints the time of a run of all jobs by the clock, from the first job's start to the last
one's end, and where its cores were idle: between the end of a job and the start of the next one
(Snakemake and the start of Python), and beside jobs that hold several cores and compute on fewer.
The second takes the jobs that a file needs and puts each on the first free core, in the order in
which they began, with the same time between two jobs: the time of `snakemake FILE` from nothing,
but for its own start. Records of jobs are read from logs/.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

from sitenet.files import read_json


@dataclass(frozen=True)
class Ran:
    """A job: its files, when it began and ended (s), cores that it held, processor seconds."""

    inputs: frozenset[str]
    outputs: tuple[str, ...]
    start: float
    end: float
    cores: int
    cpu: float


def jobs_of(run: Path, cores: int) -> list[Ran]:
    """All finished jobs in the order in which they began; ends are the times of their records."""
    jobs = []
    for path in (run / "logs").rglob("*.json"):
        record = read_json(path)
        if record.get("finished"):
            end = path.stat().st_mtime
            jobs.append(Ran(frozenset(record["inputs"]), tuple(record["outputs"]),
                            end - record["wall_seconds"], end, min(record["threads"], cores),
                            record["cpu_seconds"]))  # fmt: skip
    return sorted(jobs, key=lambda job: job.start)


def waits(jobs: list[Ran], cores: int) -> list[float]:
    """Seconds that each core of a job was free before it, in the order of the jobs."""
    free = [jobs[0].start] * cores
    found = []
    for job in jobs:
        free.sort()
        found += [max(job.start - since, 0.0) for since in free[: job.cores]]
        free[: job.cores] = [job.end] * job.cores
    return found


def needed(jobs: list[Ran], target: str) -> list[Ran]:
    """The jobs that `target` is made by, with all they need."""
    maker = {path: job for job in jobs for path in job.outputs}
    if target not in maker:
        raise SystemExit(f"no job of this run made {target}")
    found, waiting = set[Ran](), [maker[target]]
    while waiting:
        job = waiting.pop()
        if job not in found:
            found.add(job)
            waiting += [maker[path] for path in job.inputs if path in maker]
    return [job for job in jobs if job in found]


def replayed(jobs: list[Ran], cores: int, between: float) -> float:
    """Seconds by the clock if each job starts as early as cores and inputs allow, in this order."""
    free, made = [0.0] * cores, dict[str, float]()
    for job in jobs:
        free.sort()
        ready = max([made.get(path, 0.0) for path in job.inputs], default=0.0)
        end = max(free[job.cores - 1], ready) + between + job.end - job.start
        free[: job.cores] = [end] * job.cores
        made |= dict.fromkeys(job.outputs, end)
    return max(free)


def main() -> None:
    """Print the times."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--run", type=Path, default=Path(), help="folder with logs/")
    parser.add_argument("--cores", type=int, required=True)
    parser.add_argument("--target", help="a file of the run")
    arguments = parser.parse_args()
    jobs = jobs_of(arguments.run, arguments.cores)
    if not jobs:
        raise SystemExit(f"{arguments.run}/logs has no record of a finished job")
    clock = max(job.end for job in jobs) - jobs[0].start
    seconds = sum(job.end - job.start for job in jobs)
    gaps = waits(jobs, arguments.cores)
    beside = sum((job.end - job.start) * job.cores - job.cpu for job in jobs if job.cores > 1)
    print(
        f"{len(jobs)} jobs, {seconds:.0f} s of jobs, {sum(j.cpu for j in jobs):.0f} s of processors"
    )
    print(
        f"by the clock {clock:.0f} s; cores that did nothing: {sum(gaps):.0f} s between jobs, ",
        end="",
    )
    print(f"{beside:.0f} s beside jobs that hold several")
    if arguments.target:
        chosen = needed(jobs, arguments.target)
        between = sum(gaps) / len(gaps)
        alone = replayed(chosen, arguments.cores, between)
        print(f"{arguments.target} alone: {len(chosen)} jobs, {alone:.0f} s by the clock")


if __name__ == "__main__":
    main()
