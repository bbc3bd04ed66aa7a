"""The pipeline through a real Slurm, of one node whose GPU is pretended, beside a run without it.

The training is cancelled once, so that it is submitted again.
"""

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from tiny_pipeline import CONFIG, ROOT, prepare, snakemake

NODE = ROOT / "tests" / "slurm" / "node.sh"
RUN = "results/mine/n16/volume/small/seed1"
THREADS = {"training_threads": 8}
TARGETS = ("results/figures/fig5.pdf", "results/tables/table1.csv")


@pytest.fixture(scope="module")
def _node() -> Iterator[None]:
    """Slurm, while the tests of this module run."""
    pytest.importorskip("snakemake_executor_plugin_slurm", reason="needs requirements-slurm.lock")
    if os.geteuid() or not shutil.which("apt-get"):
        pytest.skip("a Slurm node needs root and Debian's packages")
    with open(Path(tempfile.gettempdir()) / "sitenet-slurm.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one node on a machine
        if subprocess.run([NODE, "install"], stdin=subprocess.DEVNULL).returncode:
            pytest.skip("the packages of Slurm cannot be installed")
        try:
            started = subprocess.run([NODE, "up"], stderr=subprocess.PIPE, text=True)
            if "another Slurm" in started.stderr:
                pytest.skip(started.stderr.strip())
            assert started.returncode == 0, started.stderr
            yield
        finally:
            subprocess.run([NODE, "down"], check=True)


def jobs() -> list[dict[str, str]]:
    """What Slurm knows of every job, queued, running or ended."""
    command = ["scontrol", "show", "job", "--oneliner"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [dict(re.findall(r"(\S+?)=(\S*)", line)) for line in shown.splitlines() if "=" in line]


def jobs_of(name: str) -> list[dict[str, str]]:
    """Jobs of one rule or group, in the order of their submission."""
    found = [job for job in jobs() if re.match(f"rule_{name}(_|$)", job["Comment"])]
    return sorted(found, key=lambda job: int(job["JobId"]))


def cancel_first_training() -> None:
    """Wait until the training runs, then cancel its job."""
    while not (running := [job for job in jobs_of("train") if job["JobState"] == "RUNNING"]):
        time.sleep(0.2)
    subprocess.run(["scancel", running[0]["JobId"]], check=True)


@pytest.fixture(scope="module")
def finished(_node: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the pipeline ran through Slurm."""
    folder = tmp_path_factory.mktemp("slurm")
    prepare(folder, CONFIG | THREADS)
    threading.Thread(target=cancel_first_training, daemon=True).start()
    process = snakemake(
        folder, *TARGETS, "--configfile", "own.yaml",
        "--workflow-profile", str(ROOT / "profiles" / "slurm"), "--slurm-status-command", "squeue",
        "--slurm-init-seconds-before-status-checks", "2", timeout=900,
    )  # fmt: skip
    assert process.returncode == 0, process.stdout + process.stderr
    return folder


def test_jobs_ask_for_what_their_rules_state(finished: Path) -> None:
    asked = {
        name: [(job["TRES"], job["TimeLimit"], job.get("TresPerJob"), job["JobState"])
               for job in jobs_of(name)]
        for name in ("collect", "shards", "train")
    }  # fmt: skip
    of_train = ("1-00:00:00", "gres:gpu:1")
    assert asked == {
        "collect": [("cpu=8,mem=4000M,node=1,billing=8", "02:00:00", None, "COMPLETED")],
        "shards": [("cpu=2,mem=4000M,node=1,billing=2", "05:00:00", None, "COMPLETED")],  # all four
        "train": [
            ("cpu=8,mem=16000M,node=1,billing=8", *of_train, "CANCELLED"),
            ("cpu=8,mem=32000M,node=1,billing=8", *of_train, "COMPLETED"),
        ],
    }


def test_short_steps_share_jobs(finished: Path) -> None:
    """collect, splits, shards, train (twice) and figures."""
    assert len(jobs()) == 6


def test_results_are_those_of_a_run_without_slurm(finished: Path, tmp_path: Path) -> None:
    prepare(tmp_path, CONFIG | THREADS)
    process = snakemake(
        tmp_path, *TARGETS, "--configfile", "own.yaml", "--cores", "2", "--resources", "gpu=1"
    )
    assert process.returncode == 0, process.stdout + process.stderr
    runs = [folder / RUN for folder in (finished, tmp_path)]
    predictions = [pd.read_parquet(run / "predictions.parquet") for run in runs]
    pd.testing.assert_frame_equal(*predictions, check_exact=True)
    weights = [(run / "model.safetensors").read_bytes() for run in runs]
    assert weights[0] == weights[1]
    for name in TARGETS:
        assert (finished / name).stat().st_size
