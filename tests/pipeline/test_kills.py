"""Runs that are killed at random moments of every stage, or meet a full disk or damaged files.

The next `snakemake` finishes each of them with what an undisturbed run gives: the same bytes of
data, the same weights and errors of trainings.
"""

import os
import random
import re
import resource
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file
from tiny_pipeline import CONFIG, prepare, snakemake, start

from sitenet.files import read_json
from sitenet.options.config import overlaid
from sitenet.shards.schema import LISTS, SCALARS

ARGUMENTS = ("--configfile", "own.yaml", "--cores", "1")
RUN = "results/mine/n16/volume/small/seed1"
PRETRAINING = "results/mine/n16/pretraining/all"
TIMES = {"seconds", "structures_per_second", "peak_memory_bytes"}
LONGER = {
    "variants": {"small": {"training": {"computed_targets": 0}}},  # trainings read shards first
    "training": {"max_epochs": 60, "patience": 60},
    "infomax": {
        "training": {"max_epochs": 15, "patience": 15},
        "transfer": {"seeds": 6, "training": {"max_epochs": 30, "patience": 30}},
    },
}


class Stage(NamedTuple):
    """A job that is killed: what it makes, and its log, which begins with it."""

    target: str
    log: str


STAGES = [
    Stage("results/mine/structures.parquet", "logs/mine/collect.log"),
    Stage("results/mine/n16/shards/part-001.parquet", "logs/mine/n16/shards/part-001.log"),
    Stage(f"{RUN}/metrics.json", "logs/mine/n16/volume/small/seed1/train.log"),
    Stage(f"{PRETRAINING}/metrics.json", "logs/mine/n16/pretraining/all/pretrain.log"),
    Stage("results/transfer/volume/infomax/labels8.parquet",
          "logs/transfer/volume/infomax/labels8.log"),
]  # fmt: skip
TARGETS = [stage.target for stage in STAGES]


class Undisturbed(NamedTuple):
    """A finished run, and how long each stage took, s."""

    folder: Path
    seconds: list[float]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    folder = tmp_path_factory.mktemp("undisturbed")
    prepare(folder, overlaid(CONFIG, LONGER))
    began: dict[Stage, float] = {}
    ended: dict[Stage, float] = {}
    with running(folder, TARGETS) as process:
        while process.poll() is None:
            for stage in STAGES:
                for times, name in ((began, stage.log), (ended, stage.target)):
                    if (folder / name).exists():
                        times.setdefault(stage, time.monotonic())
            time.sleep(0.01)
    assert process.returncode == 0, terminal(folder)
    return Undisturbed(folder, [ended[stage] - began[stage] for stage in STAGES])


@pytest.fixture(scope="module")
def disturbed(undisturbed: Undisturbed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which every stage was killed twice, and that was finished then."""
    folder = tmp_path_factory.mktemp("disturbed")
    prepare(folder, overlaid(CONFIG, LONGER))
    draw, hits = random.Random(0), 0
    for stage, seconds in zip(STAGES, undisturbed.seconds, strict=True):
        for number in (signal.SIGKILL, signal.SIGTERM):
            hits += hit(folder, stage, number, draw.uniform(0, seconds))
    assert hits >= len(STAGES)  # of twice as many: a stage may be over before its moment
    process = snakemake(folder, *ARGUMENTS, *TARGETS)
    assert process.returncode == 0, process.stdout + process.stderr
    return folder


@contextmanager
def running(folder: Path, targets: list[str]) -> Iterator[subprocess.Popen[str]]:
    """Snakemake in a process group of its own, with what it tells in a file; killed at the end."""
    with open(folder / "terminal.txt", "w") as file:
        told = {"stdout": file, "stderr": file}
        with start(folder, *ARGUMENTS, *targets, **told, start_new_session=True) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)


def terminal(folder: Path) -> str:
    return (folder / "terminal.txt").read_text()


def hit(folder: Path, stage: Stage, number: signal.Signals, moment: float) -> bool:
    """Signal all processes `moment` seconds after a stage began; whether it was under way."""
    (folder / stage.log).unlink(missing_ok=True)
    with running(folder, [stage.target]) as process:
        while process.poll() is None and not (folder / stage.log).exists():
            time.sleep(0.01)
        time.sleep(moment)
        under_way = process.poll() is None and not (folder / stage.target).exists()
        if process.poll() is None:
            os.killpg(process.pid, number)
        # Snakemake waits for ever if SIGTERM meets it while it holds the lock of its scheduler,
        # as between two jobs; a cluster kills it then, and so does the end of this block.
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
        killed = process.poll() in (None, -signal.SIGKILL)
    if number == signal.SIGTERM and under_way:
        assert "stopped by SIGTERM; run again to go on" in terminal(folder)
        assert "Traceback" not in terminal(folder)
    if killed:
        assert snakemake(folder, *ARGUMENTS, "--unlock").returncode == 0
    return under_way


def test_killed_data_are_the_same_bytes(undisturbed: Undisturbed, disturbed: Path) -> None:
    for name in ("structures.parquet", "rejected.csv", "splits/volume.csv",
                 "n16/shards/part-000.parquet", "n16/shards/part-001.parquet"):  # fmt: skip
        path = Path("results/mine", name)
        assert (disturbed / path).read_bytes() == (undisturbed.folder / path).read_bytes(), name


@pytest.mark.parametrize("run", [RUN, PRETRAINING])
def test_killed_trainings_give_the_same_model(
    undisturbed: Undisturbed, disturbed: Path, run: str
) -> None:
    assert_same_training(undisturbed.folder / run, disturbed / run)
    assert not (disturbed / run / ".checkpoints").exists()


def test_a_killed_transfer_gives_the_same_errors(undisturbed: Undisturbed, disturbed: Path) -> None:
    tables = [
        pd.read_parquet(folder / STAGES[-1].target).drop(columns="seconds")
        for folder in (undisturbed.folder, disturbed)
    ]
    pd.testing.assert_frame_equal(*tables)


def test_kills_leave_nothing_behind(disturbed: Path) -> None:
    left = [path.name for path in (disturbed / "results").rglob(".*")]
    assert left == []


def assert_same_training(one: Path, other: Path) -> None:
    weights = [load_file(folder / "model.safetensors") for folder in (one, other)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    histories = [pd.read_csv(folder / "history.csv") for folder in (one, other)]
    assert len(histories[0]) > 1
    pd.testing.assert_frame_equal(*(h.drop(columns=[*TIMES & {*h}]) for h in histories))
    metrics = [read_json(folder / "metrics.json") for folder in (one, other)]
    for record in metrics:
        for name in (*TIMES, "device"):
            record.pop(name, None)
        for name in TIMES:
            record.get("best", {}).pop(name, None)
    assert metrics[0] == metrics[1]


def failed(folder: Path, target: str, **options: object) -> str:
    """What a run that cannot finish tells, in lines without a traceback."""
    process = snakemake(folder, *ARGUMENTS, target, **options)
    told = process.stdout + process.stderr
    assert process.returncode != 0
    assert "Traceback" not in told
    return told


def test_damaged_data_are_made_anew(undisturbed: Undisturbed, disturbed: Path) -> None:
    """One thing at a time: cut off, a bit changed, another version."""
    structures = disturbed / STAGES[0].target
    structures.write_bytes(structures.read_bytes()[:-200])
    told = failed(disturbed, "results/mine/splits/volume.csv")
    assert re.search(r"structures\.parquet is damaged .*run again to make it anew", told)
    assert structures.with_name("structures.parquet.damaged").exists()

    names = [f"results/mine/n16/shards/part-{part:03d}.parquet" for part in range(2)]
    process = snakemake(disturbed, *ARGUMENTS, STAGES[0].target, *names)
    assert process.returncode == 0, process.stdout + process.stderr
    shards = [disturbed / name for name in names]
    distances = pq.read_metadata(shards[0]).row_group(0).column(len(LISTS) + len(SCALARS) - 1)
    assert distances.path_in_schema.startswith("pair_distance")
    content = bytearray(shards[0].read_bytes())
    content[distances.data_page_offset + distances.total_compressed_size // 2] ^= 1
    shards[0].write_bytes(content)
    table = pq.read_table(shards[1]).replace_schema_metadata({"format": "sitenet shard 0"})
    pq.write_table(table, shards[1])
    told = failed(disturbed, f"{RUN}/metrics.json")
    assert "part-001.parquet is damaged (it is of another version of the format)" in told
    told = failed(disturbed, f"{RUN}/metrics.json")
    assert re.search(r"part-000\.parquet is damaged .*run again to make it anew", told)

    process = snakemake(disturbed, *ARGUMENTS, f"{RUN}/metrics.json")
    assert process.returncode == 0, process.stdout + process.stderr
    test_killed_data_are_the_same_bytes(undisturbed, disturbed)
    assert_same_training(undisturbed.folder / RUN, disturbed / RUN)


def test_a_full_disk_is_told_and_the_next_run_goes_on(
    undisturbed: Undisturbed, tmp_path: Path
) -> None:
    """A largest size of files, below that of a checkpoint, stands for the disk."""
    prepare(tmp_path, overlaid(CONFIG, LONGER))
    told = failed(tmp_path, f"{RUN}/metrics.json", preexec_fn=small_files_only)
    assert f"{RUN}/.checkpoints (File too large): free some and run again" in told
    assert not list((tmp_path / "results").rglob("*.part"))
    process = snakemake(tmp_path, *ARGUMENTS, f"{RUN}/metrics.json")
    assert process.returncode == 0, process.stdout + process.stderr
    assert_same_training(undisturbed.folder / RUN, tmp_path / RUN)


def small_files_only() -> None:
    """For a new process: no file may become larger than 50 kB."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
