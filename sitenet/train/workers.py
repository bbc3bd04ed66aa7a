"""The processes of one machine that share the batches of a training."""

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import ProcessException, start_processes

from sitenet.parallel import end_with_parent, no_main_script
from sitenet.progress import setup_logging
from sitenet.train.devices import torch_device
from sitenet.train.distributed import Group
from sitenet.train.loop import train_epochs
from sitenet.train.training import Training


@dataclass(frozen=True)
class Rendezvous:
    """Where the processes of a training find one another, and where they continue.

    `host` and `port` are of a `TCPStore`; `resumed` is the checkpoint to continue from, `log` the
    file that the first process logs to.
    """

    host: str
    port: int
    resumed: Path | None
    log: Path | None


def start_workers(training: Training, rendezvous: Rendezvous, node: int = 0) -> None:
    """Run the processes of machine number `node` to the end of the training.

    Raises:
        RuntimeError: one of them failed; the others are ended.
    """
    devices = training.settings.devices
    threads = max(1, torch.get_num_threads() // devices)
    with no_main_script():
        workers = start_processes(
            _work, (training, rendezvous, node, threads), nprocs=devices, join=False
        )
    try:
        while not workers.join():
            pass
    except ProcessException as error:
        reason = error.msg.strip().splitlines()[-1]
        raise RuntimeError(f"a process of the training failed: {reason}") from error
    finally:
        for process in workers.processes:
            process.kill()


def _work(local: int, training: Training, rendezvous: Rendezvous, node: int, threads: int) -> None:
    """The part of one process; `local` is its number on the machine."""
    end_with_parent()
    torch.set_num_threads(threads)
    settings, device = training.settings, torch_device(training.accelerator, local)
    task = training.load_task()  # the parent has logged what this logs
    group = Group(node * settings.devices + local, settings.processes)
    if group.rank == 0:
        setup_logging(rendezvous.log, append=True)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    store = dist.TCPStore(rendezvous.host, rendezvous.port, is_master=False)
    backend = "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, store=store, rank=group.rank, world_size=group.world)
    train_epochs(
        task,
        settings,
        device,
        training.checkpoints,
        rendezvous.resumed,
        [training.report()],
        group,
    )
    dist.destroy_process_group()
