"""Fast paths of the pair block, chosen once per process and logged.

The environment variable SITENET_ENGINE says which: `auto` (default; compiled where a compiler is
found, on the GPU where Triton is, else plain), `compiled` (an error where it cannot be built) or
`plain`.
"""

import os
from collections.abc import Callable
from functools import cache
from subprocess import SubprocessError

import torch

from sitenet.model.kernels.build import NoCompiler, library
from sitenet.model.kernels.cpu import open_library, pair_block
from sitenet.progress import log


def fast_path(device: torch.device) -> Callable | None:
    """The pair block for tensors on `device` under the present autocast, or None: the plain one."""
    if device.type == "cuda":
        return load_gpu()
    return load() if device.type == "cpu" and not torch.is_autocast_enabled("cpu") else None


@cache
def load() -> Callable | None:
    """The compiled pair block for CPU tensors, or None: use the plain one.

    Raises ValueError for an unknown SITENET_ENGINE, and NoCompiler where it is `compiled` and the
    kernel cannot be built.
    """
    engine = _engine()
    if engine == "plain":
        log.info("pair block: plain PyTorch (SITENET_ENGINE=plain)")
        return None
    try:
        path = library()
        open_library(path)
    except (NoCompiler, OSError) as error:
        if engine == "compiled":
            raise
        log.warning(f"pair block: plain PyTorch, several times slower ({error})")
        return None
    log.info(f"pair block: compiled ({path})")
    return pair_block


@cache
def load_gpu() -> Callable | None:
    """The pair block in Triton for CUDA tensors, or None: use the plain one.

    Raises ValueError for an unknown SITENET_ENGINE, and where it is `compiled` what kept Triton
    from running: ImportError, RuntimeError, OSError or subprocess.SubprocessError.
    """
    engine = _engine()
    if engine == "plain":
        log.info("pair block on the GPU: plain PyTorch (SITENET_ENGINE=plain)")
        return None
    try:
        from sitenet.model.kernels import gpu

        target = gpu.target()
    except (ImportError, RuntimeError, OSError, SubprocessError) as error:
        if engine == "compiled":
            raise
        log.warning(f"pair block on the GPU: plain PyTorch, several times slower ({error})")
        return None
    log.info(f"pair block on the GPU: {target}")
    return gpu.pair_block


def _engine() -> str:
    engine = os.environ.get("SITENET_ENGINE", "auto")
    if engine not in ("auto", "compiled", "plain"):
        raise ValueError(f"SITENET_ENGINE must be auto, compiled or plain, not {engine!r}")
    return engine
