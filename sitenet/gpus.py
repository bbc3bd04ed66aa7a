"""Which GPUs of this machine a process computes on, so that jobs side by side do not share one."""

import fcntl
import itertools
import os
import tempfile
from pathlib import Path


def take_gpus(count: int, present: int) -> None:
    """Leave this process the `count` least used of the GPUs that it may see.

    present: GPUs that it may see, as many as CUDA_VISIBLE_DEVICES names if that is set. Where
    these are no more than `count`, as in a job of Slurm, nothing is changed. Otherwise
    CUDA_VISIBLE_DEVICES is set, so that this must come before CUDA is initialised. What processes
    of one user have taken is known by locks on files, which end with the process.
    """
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = given.split(",")[:present] if given else [str(number) for number in range(present)]
    if len(names) <= count:
        return
    folder = Path(tempfile.gettempdir()) / f"sitenet-gpus-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    taken: list[str] = []
    for users in itertools.count():  # GPUs that nobody uses, then those with one user, ...
        for name in names:
            if name not in taken and _locked(folder / f"{name.replace('/', '-')}.{users}"):
                taken.append(name)
            if len(taken) == count:
                os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(taken)
                return


def _locked(path: Path) -> bool:
    """Lock a file until this process ends; whether no other process had."""
    file = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return False
    return True
