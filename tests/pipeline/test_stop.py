"""A job that is told to stop ends its worker processes, those of joblib too."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "workflow" / "scripts"

PROGRAM = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from joblib import Parallel, delayed
import job
print(*set(Parallel(n_jobs=2)(delayed(os.getpid)() for _ in range(2))), flush=True)
job._stop(signal.SIGTERM, None)
"""


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc of Linux")
def test_workers_of_joblib_end_with_the_job() -> None:
    process = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(SCRIPTS)], capture_output=True, text=True, timeout=120
    )
    assert process.returncode == 128 + 15, process.stderr
    workers = [Path("/proc", pid) for pid in process.stdout.split()]
    assert workers
    assert str(os.getpid()) not in process.stdout.split()
    deadline = time.monotonic() + 20
    while any(worker.exists() for worker in workers):
        assert time.monotonic() < deadline
        time.sleep(0.05)
