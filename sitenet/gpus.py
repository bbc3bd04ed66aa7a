"""Assignment of the GPUs of a machine to processes, so that concurrent jobs do not share one."""

import fcntl
import itertools
import os
import tempfile
from pathlib import Path


def take_gpus(count: int, present: int) -> None:
    """Restrict this process to the `count` least used of its visible GPUs.

    `present` is the number of visible GPUs, which are those in CUDA_VISIBLE_DEVICES if it is set.
    If there are no more than `count`, as in a Slurm job, nothing is changed. Otherwise
    CUDA_VISIBLE_DEVICES is set, which must happen before CUDA is initialised. Processes of a user
    mark the GPUs that they use by file locks, which are released when a process ends.
    """
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = given.split(",")[:present] if given else [str(number) for number in range(present)]
    if len(names) <= count:
        return
    folder = Path(tempfile.gettempdir()) / f"sitenet-gpus-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    taken: list[str] = []
    for users in itertools.count():  # unused GPUs first, then those with one process, ...
        for name in names:
            if name not in taken and _locked(folder / f"{name.replace('/', '-')}.{users}"):
                taken.append(name)
            if len(taken) == count:
                os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(taken)
                return


def _locked(path: Path) -> bool:
    """Lock a file until this process ends. False if another process holds the lock."""
    file = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return False
    return True
