"""A training on several machines of a Slurm job.

The job's process starts this module on each of them with srun; the machines see the same folders.
"""

import os
import pickle
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path


def on_nodes(nodes: int, work: Callable[[], None], folder: Path) -> None:
    """Call `work` on every machine of the job and wait; `folder` holds it meanwhile.

    Raises RuntimeError where there is no srun, or a machine failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder.resolve() / "work.pickle"
    file.write_bytes(pickle.dumps(work))
    command = ["srun", f"--nodes={nodes}", f"--ntasks={nodes}", "--ntasks-per-node=1", "--overlap",
               "--kill-on-bad-exit=1", sys.executable, "-m", __name__, str(file)]  # fmt: skip
    package = str(Path(__file__).resolve().parents[2])
    paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    meeting = {"MASTER_ADDR": socket.gethostname(), "MASTER_PORT": str(_free_port())}
    try:
        subprocess.run(
            command, env={**os.environ, **meeting, "PYTHONPATH": os.pathsep.join(paths)}, check=True
        )
    except FileNotFoundError:
        raise RuntimeError(
            f"training.nodes is {nodes}, but there is no srun: more than one machine needs Slurm"
        ) from None
    except subprocess.CalledProcessError as error:
        raise RuntimeError(f"the training on {nodes} machines failed ({error})") from error
    finally:
        file.unlink()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("", 0))
        return int(listener.getsockname()[1])


def main(file: str) -> None:
    """One machine's part; its number comes from Slurm."""
    os.environ["NODE_RANK"] = os.environ["SLURM_NODEID"]
    work = pickle.loads(Path(file).read_bytes())
    work()


if __name__ == "__main__":
    main(sys.argv[1])
