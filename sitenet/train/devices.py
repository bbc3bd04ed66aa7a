"""The device of a training: its choice, settings and name, its clock and its memory."""

import os
import resource

import torch


def torch_device(accelerator: str, number: int = 0) -> torch.device:
    """The `number`-th GPU for `gpu` or `cuda`, else the CPU."""
    return torch.device("cuda", number) if accelerator in ("gpu", "cuda") else torch.device("cpu")


def prepare_device(device: torch.device) -> None:
    """Make this process compute on `device`, on a GPU with deterministic operators."""
    # Determinism would otherwise fill every new tensor before it is written.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    if device.type == "cuda":
        torch.cuda.set_device(device)
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # which cuBLAS needs for it
        torch.use_deterministic_algorithms(True, warn_only=True)


def synchronise(device: torch.device) -> None:
    """Wait until all that was launched on `device` is computed, so that a clock can be read."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_memory(accelerator: str) -> int:
    """Largest memory of this process so far in bytes: on the GPU, else resident."""
    if accelerator in ("gpu", "cuda"):
        return int(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def device_name(accelerator: str) -> str:
    """The device for the record of a run."""
    if accelerator in ("gpu", "cuda"):
        return torch.cuda.get_device_name()
    return f"cpu ({torch.get_num_threads()} threads)"
