"""Seeds, AdamW and the learning-rate schedule."""

import math
import random
from inspect import unwrap

import numpy as np
import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from sitenet.options.training import LoopSettings


def set_seeds(seed: int) -> None:
    """Seed Python, NumPy and PyTorch on all devices."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  (of libraries that use the global generator)
    torch.manual_seed(seed)


class AdamW(torch.optim.AdamW):
    """PyTorch's AdamW without the decorators for its compiler.

    They import the compiler, which nothing here uses, at the first call: 1.3 s of CPU in every
    process that trains, beside 1.8 s for PyTorch.
    """

    add_param_group = unwrap(torch.optim.Optimizer.add_param_group)
    zero_grad = unwrap(torch.optim.Optimizer.zero_grad)
    state_dict = unwrap(torch.optim.Optimizer.state_dict)
    load_state_dict = unwrap(torch.optim.Optimizer.load_state_dict)
    step = torch.no_grad()(unwrap(torch.optim.AdamW.step))


def make_optimiser(model: nn.Module, settings: LoopSettings) -> AdamW:
    """AdamW over all parameters of `model` (10.1039/d3dd00005b: amsgrad, eps 1e-7).

    In one pass, except where float16 gradients have to be scaled back before a clip.
    """
    fused = not (next(model.parameters()).is_cuda and settings.precision == "16-mixed")
    return AdamW(
        model.parameters(),
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        amsgrad=settings.amsgrad,
        eps=settings.eps,
        foreach=not fused,
        fused=fused,
    )


def make_schedule(
    optimiser: torch.optim.Optimizer, settings: LoopSettings, steps_per_epoch: int
) -> LambdaLR:
    """Learning-rate factor per step: constant, or linear warm-up and then half a cosine to 0."""
    warmup = settings.warmup_epochs * steps_per_epoch
    total = settings.max_epochs * steps_per_epoch

    def factor(step: int) -> float:
        if settings.schedule == "constant":
            return 1.0
        if step < warmup:
            return (step + 1) / (warmup + 1)
        share = min((step - warmup) / max(total - warmup, 1), 1.0)
        return 0.5 * (1 + math.cos(math.pi * share))

    return LambdaLR(optimiser, factor)
