"""A training on several machines of a Slurm job, which see the same folders.

The process of the job starts `sitenet.train.on_node` on each of them with srun, and describes the
training in a JSON file.
"""

import json
import os
import subprocess
import sys
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from sitenet.files import PACKAGE, write_text
from sitenet.train.training import Training
from sitenet.train.workers import Rendezvous


def start_nodes(training: Training, rendezvous: Rendezvous) -> None:
    """Run a training on all machines of the job to its end.

    Raises:
        RuntimeError: there is no srun, or a machine failed.
    """
    nodes = training.settings.nodes
    file = training.checkpoints.resolve() / "training.json"
    described = {"kind": type(training).__name__, "training": asdict(training),
                 "rendezvous": asdict(rendezvous)}  # fmt: skip
    write_text(file, json.dumps(described, default=str))  # str: of paths
    command = ["srun", f"--nodes={nodes}", f"--ntasks={nodes}", "--ntasks-per-node=1", "--overlap",
               "--kill-on-bad-exit=1", sys.executable, "-m", "sitenet.train.on_node",
               str(file)]  # fmt: skip
    paths = [str(PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    try:
        subprocess.run(
            command, env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)}, check=True
        )
    except FileNotFoundError:
        raise RuntimeError(
            f"training.nodes is {nodes}, but there is no srun: more than one machine needs Slurm"
        ) from None
    except subprocess.CalledProcessError as error:
        raise RuntimeError(f"the training on {nodes} machines failed ({error})") from error
    finally:
        file.unlink()


def from_plain(kind: Any, value: Any) -> Any:
    """What `asdict` and JSON have made of an object of type `kind`, as that object again.

    Dataclasses may hold dataclasses (also one of several, told apart by the names of their fields),
    paths, tuples and what JSON knows.
    """
    options = [option for option in get_args(kind) if option is not type(None)]
    if isinstance(kind, type) and is_dataclass(kind):
        types = get_type_hints(kind)
        return kind(**{f.name: from_plain(types[f.name], value[f.name]) for f in fields(kind)})
    classes = [option for option in options if is_dataclass(option)]
    if get_origin(kind) is not tuple and classes and isinstance(value, dict):
        (chosen,) = (one for one in classes if {f.name for f in fields(one)} == value.keys())
        return from_plain(chosen, value)
    if get_origin(kind) is tuple:
        return tuple(from_plain(options[0], item) for item in value)
    if Path in (kind, *options):
        return None if value is None else Path(value)
    return value
