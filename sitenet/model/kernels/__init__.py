"""Fast paths of the pair block, of dense layers and of scores; the choice is logged once.

The environment variable SITENET_ENGINE selects one: `auto` (default: compiled with a C++ compiler,
on a GPU with Triton, else plain), `compiled` (an error if it cannot be built) or `plain`.
"""

import os
from collections.abc import Callable
from functools import cache
from subprocess import SubprocessError

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sitenet.model.kernels import attention, dense, inputs, pair_block_cpu, pooled_layers
from sitenet.model.kernels import pair_scores as compiled_scores
from sitenet.model.kernels.build import NoCompiler, library
from sitenet.model.kernels.compiled import LOW, TYPES, autocast_to_low
from sitenet.model.kernels.memory import keep_freed_memory
from sitenet.model.layers import LMN
from sitenet.progress import log


def fast_path(device: torch.device) -> Callable | None:
    """The pair block for tensors on `device` under the current autocast; None: the plain one."""
    if device.type == "cuda":
        return load_gpu()
    return _load_for_products() if device.type == "cpu" else None


def in_one_call(like: Tensor, weight: Tensor) -> bool:
    """Whether compiled functions of several layers take tensors `like` this one and `weight`."""
    return like.dtype == weight.dtype and _compiled(like)


def use_compiled_layers(module: nn.Module) -> None:
    """Make the LMN layers in `module` compute linear layer, Mish and layer norm at once."""
    for layer in module.modules():
        if isinstance(layer, LMN) and layer.activation is F.mish:
            layer.whole = dense_layer


def dense_layer(x: Tensor, linear: nn.Linear, norm: nn.LayerNorm) -> Tensor:
    """norm(mish(linear(x))), compiled for tensors on the CPU."""
    fits = x.dtype == norm.weight.dtype and linear.weight.numel() <= dense.LARGEST
    if fits and _compiled(x):
        return dense.dense(x, linear.weight, linear.bias, norm.weight, norm.bias)
    return norm(F.mish(linear(x)))


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x @ weight.T + bias, compiled for tensors on the CPU."""
    if weight.numel() <= dense.LARGEST and x.dtype == weight.dtype and _compiled(x):
        return dense.linear(x, weight, bias)
    return F.linear(x, weight, bias)


def pair_scores(own: Tensor, other: Tensor, of_own: Tensor, of_other: Tensor) -> Tensor:
    """own[of_own] . other[of_other] (V,) for tables (n, C), (m, C) and rows (V,) int64 of them.

    Compiled for tensors on the CPU, where no (V, C) is stored.
    """
    if own.dtype == other.dtype and _compiled(own):
        return compiled_scores.pair_scores(own, other, of_own, of_other)
    return (own.index_select(0, of_own) * other.index_select(0, of_other)).sum(1)


def _compiled(x: Tensor) -> bool:
    return x.device.type == "cpu" and x.dtype in TYPES and _load_for_products() is not None


def _load_for_products() -> Callable | None:
    """The compiled pair block, if it computes under the current autocast."""
    if autocast_to_low():
        return load_low()
    return None if torch.is_autocast_enabled("cpu") else load()


@cache
def load() -> Callable | None:
    """The compiled pair block for CPU tensors; None: use the plain one.

    Raises:
        ValueError: SITENET_ENGINE is unknown.
        NoCompiler, OSError: it is `compiled`, and the kernels cannot be built or loaded.
    """
    engine = _engine()
    if engine == "plain":
        log.info("pair block: plain PyTorch (SITENET_ENGINE=plain)")
        return None
    try:
        path = library()
        for kernel in (pair_block_cpu, attention, dense, inputs, pooled_layers, compiled_scores):
            kernel.functions.open(path)
    except (NoCompiler, OSError) as error:
        if engine == "compiled":
            raise
        log.warning(f"pair block: plain PyTorch, several times slower ({error})")
        return None
    keep_freed_memory()
    log.info(f"pair block: compiled ({path})")
    return pair_block_cpu.pair_block


@cache
def load_low() -> Callable | None:
    """As `load`, for a forward pass under autocast to bfloat16; logs what is multiplied."""
    block = load()
    if block is None:
        return None
    if pair_block_cpu.functions.multiply(LOW):
        log.info("pair block: products of bfloat16, everything else float32")
    else:
        log.warning("pair block: float32, since processor or compiler do not multiply bfloat16")
    return block


@cache
def load_gpu() -> Callable | None:
    """The pair block in Triton for CUDA tensors; None: use the plain one.

    Raises:
        ValueError: SITENET_ENGINE is unknown.
        ImportError, RuntimeError, OSError, subprocess.SubprocessError: it is `compiled`, and Triton
            does not run.
    """
    engine = _engine()
    if engine == "plain":
        log.info("pair block on the GPU: plain PyTorch (SITENET_ENGINE=plain)")
        return None
    try:
        from sitenet.model.kernels import pair_block_gpu

        target = pair_block_gpu.target()
    except (ImportError, RuntimeError, OSError, SubprocessError) as error:
        if engine == "compiled":
            raise
        log.warning(f"pair block on the GPU: plain PyTorch, several times slower ({error})")
        return None
    log.info(f"pair block on the GPU: {target}")
    return pair_block_gpu.pair_block


def _engine() -> str:
    engine = os.environ.get("SITENET_ENGINE", "auto")
    if engine not in ("auto", "compiled", "plain"):
        raise ValueError(f"SITENET_ENGINE must be auto, compiled or plain, not {engine!r}")
    return engine
