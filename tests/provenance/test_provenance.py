"""Records of jobs, and the way back from a result to them."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from sitenet.provenance.job_tables import jobs_table, steps_table, versions_table, write_tables
from sitenet.provenance.record import Job, commit, fingerprint, recorded
from sitenet.provenance.rejections import origin
from sitenet.provenance.trace import jobs_behind, read_records

ROOT = Path(__file__).resolve().parents[2]
JOB = Job(
    rule="train",
    wildcards={"seed": "3"},
    inputs=["shard"],
    outputs=["model", "metrics"],
    params={"training": {"seed": 3}, "paths": [Path("a")]},
    config={"datasets": {}},
    threads=2,
    gpus=0,
)


def run(path: Path, job: Job = JOB, seconds: float = 0.0) -> dict:
    with recorded(path, job, path.parent, time.time() - seconds):
        pass
    return json.loads(path.read_text())


def test_a_record_tells_what_the_job_was_and_took(tmp_path: Path) -> None:
    record = run(tmp_path / "train.json", seconds=7200)
    assert record["outputs"] == ["model", "metrics"]
    assert record["params"] == {"training": {"seed": 3}, "paths": ["a"]}
    assert record["config"] == fingerprint({"datasets": {}}) != fingerprint({"datasets": {"a": 1}})
    assert record["versions"]["python"] == sys.version.split()[0]
    assert record["versions"]["numpy"]
    assert record["device"]
    assert record["wall_seconds"] == pytest.approx(7200, abs=60)
    assert 0 < record["cpu_seconds"] < 7200
    assert record["gpu_seconds"] == 0
    assert record["peak_memory_bytes"] > 2**24  # a Python process has more than 16 MiB
    assert record["finished"] >= record["started"]


def test_stopped_attempts_at_the_same_job_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "train.json"

    def stop() -> None:
        with recorded(path, JOB, tmp_path, time.time() - 100):
            raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            stop()
    assert json.loads(path.read_text())["finished"] is None
    assert not read_records(tmp_path)
    finished = run(path, seconds=50)
    assert finished["attempts"] == 3
    assert finished["wall_seconds"] == pytest.approx(250, abs=20)
    assert run(path)["attempts"] == 1  # the finished ones are another result's
    with pytest.raises(KeyboardInterrupt):
        stop()
    assert run(path, replace(JOB, params={"training": {"seed": 4}}))["attempts"] == 1


KILLED = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from sitenet.provenance import record
record.INTERVAL = 0.05
job = record.Job("train", {}, [], ["model"], {}, {}, 1, 0)
with record.recorded(Path(sys.argv[1]), job, Path(sys.argv[1]).parent, time.time()):
    time.sleep(60)
"""


def test_a_killed_attempt_leaves_what_it_took(tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(path), str(ROOT)])
    deadline, spent = time.time() + 30, 0.0
    while spent < 0.3 and time.time() < deadline:
        time.sleep(0.05)
        spent = json.loads(path.read_text())["wall_seconds"] if path.exists() else 0.0
    process.send_signal(signal.SIGKILL)
    process.wait()
    record = run(path, Job("train", {}, [], ["model"], {}, {}, 1, 0))
    assert record["attempts"] == 2
    assert record["wall_seconds"] >= spent >= 0.3


def test_the_commit_is_that_of_the_workflow(tmp_path: Path) -> None:
    assert commit(tmp_path) == (None, None)

    def git(*arguments: str) -> str:
        own = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"]
        command = ["git", "-C", str(tmp_path), *own, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    (tmp_path / "file").write_text("one")
    git("init")
    git("add", "file")
    git("commit", "-m", "first")
    assert commit(tmp_path) == (git("rev-parse", "HEAD"), False)
    (tmp_path / "results").mkdir()  # untracked files change no code
    assert commit(tmp_path)[1] is False
    (tmp_path / "file").write_text("two")
    assert commit(tmp_path)[1] is True


def chain(logs: Path) -> None:
    """Records of data -> model of two seeds -> figure of one of them."""
    steps = {
        "data": Job("collect", {}, ["cifs"], ["data"], {}, {}, 1, 0),
        "m0": Job("train", {"seed": "0"}, ["data"], ["m0", "e0"], {"seed": 0}, {}, 1, 0),
        "m1": Job("train", {"seed": "1"}, ["data"], ["m1", "e1"], {"seed": 1}, {}, 1, 0),
        "fig": Job("fig5", {}, ["e0", "m0", "data"], ["fig"], {}, {}, 1, 0),
    }
    for name, job in steps.items():
        run(logs / f"{name}.json", job, seconds=60)
    (logs / "search.json").write_text('{"finished": "no record"}')


def test_a_result_is_traced_to_the_jobs_it_needed_and_no_others(tmp_path: Path) -> None:
    chain(tmp_path)
    jobs = jobs_behind(["fig"], read_records(tmp_path))
    table = jobs_table(jobs)
    assert table.rule.tolist() == ["collect", "train", "fig5"]
    assert table.seeds.tolist() == ["", "seed=0", ""]
    assert table.needs.tolist() == ["", "1", "1 2"]
    assert table.outputs.tolist() == ["data", "m0 e0", "fig"]


def test_tables_sum_the_jobs(tmp_path: Path) -> None:
    chain(tmp_path)
    jobs = jobs_behind(["fig", "m1"], read_records(tmp_path))
    steps = steps_table(jobs_table(jobs)).set_index("rule")
    assert steps.jobs.to_dict() == {"collect": 1, "train": 2, "fig5": 1, "all": 4}
    assert steps.wall_seconds["train"] == pytest.approx(120, abs=20)
    assert steps.wall_seconds["all"] == pytest.approx(steps.wall_seconds[:-1].sum())
    versions = versions_table(jobs).set_index("name")
    assert versions.jobs["python"] == 4
    assert versions.version["commit"] == "none"


def test_results_without_records_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sitenet.progress.log.propagate", True)
    names = [tmp_path / f"{name}.csv" for name in ("jobs", "steps", "versions")]
    write_tables(["fig"], tmp_path / "logs", *names)
    assert "1 results have no record of their job, such as fig" in caplog.text
    assert pd.read_csv(names[0]).empty


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("results/mine/rejected.csv", ("mine", "reading")),
        ("results/mine/complexity.rejected.csv", ("mine", "complexity")),
        ("results/mine/n50/shards/part-001.rejected.csv", ("mine", "N = 50")),
        ("results/mine/descriptors/xrd/part-001.rejected.csv", ("mine", "xrd")),
    ],
)
def test_the_path_of_a_list_tells_its_step(path: str, expected: tuple[str, str]) -> None:
    assert origin(Path(path)) == expected
