"""Layers of Site-Net: linear, then Mish, then normalisation (section 2.3, 10.1039/d3dd00005b)."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class BatchNorm(nn.Module):
    """Batch normalisation over the first axis with a weight for each entry.

    A merged entry that stands for w equal ones counts w times, so that the statistics are those
    of the unmerged batch. Running statistics as torch.nn.BatchNorm1d (momentum 0.1).
    """

    running_mean: Tensor
    running_variance: Tensor

    def __init__(self, width: int, momentum: float = 0.1, eps: float = 1e-5) -> None:
        super().__init__()
        self.momentum, self.eps = momentum, eps
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.register_buffer("running_mean", torch.zeros(width))
        self.register_buffer("running_variance", torch.ones(width))

    def forward(self, x: Tensor, entry_weight: Tensor) -> Tensor:
        """x (E, width), entry_weight (E,) -> (E, width)."""
        if self.training:
            total = entry_weight.sum()
            share = (entry_weight / total)[:, None]
            mean = (share * x).sum(0)
            variance = (share * (x - mean).square()).sum(0)
            with torch.no_grad():
                unbiased = variance * (total / (total - 1).clamp(min=1))
                self.running_mean.lerp_(mean, self.momentum)
                self.running_variance.lerp_(unbiased, self.momentum)
        else:
            mean, variance = self.running_mean, self.running_variance
        return (x - mean) * torch.rsqrt(variance + self.eps) * self.weight + self.bias


ACTIVATIONS = {"mish": F.mish, "relu": F.relu}


class LMN(nn.Module):
    """Linear, Mish, norm: the activation stands before the normalisation, everywhere.

    `whole`, if set, computes a layer with layer norm at once.
    """

    whole: Callable[[Tensor, nn.Linear, nn.LayerNorm], Tensor] | None = None

    def __init__(self, inputs: int, outputs: int, norm: str, activation: str = "mish") -> None:
        super().__init__()
        self.activation = ACTIVATIONS[activation]
        self.linear = nn.Linear(inputs, outputs)
        kinds = {"layer": nn.LayerNorm, "batch": BatchNorm}
        self.norm = kinds[norm](outputs) if norm != "none" else None

    def forward(self, x: Tensor, entry_weight: Tensor | None) -> Tensor:
        """x (E, inputs), entry_weight (E,) for batch norm, else unused -> (E, outputs)."""
        if self.whole is not None and isinstance(self.norm, nn.LayerNorm):
            return self.whole(x, self.linear, self.norm)
        return self.normalise(self.activation(self.linear(x)), entry_weight)

    def normalise(self, activated: Tensor, entry_weight: Tensor | None) -> Tensor:
        """The norm alone, for activations (E, outputs) computed elsewhere."""
        if isinstance(self.norm, BatchNorm):
            assert entry_weight is not None
            return self.norm(activated, entry_weight)
        return activated if self.norm is None else self.norm(activated)


def parameters_of(networks: Iterable[Any]) -> list[Any]:
    """Weight, bias, scale and shift of each layer with layer norm, four times None for None."""
    found: list[Any] = []
    for network in networks:
        if network is None:
            found += [None] * 4
        else:
            assert network.norm is not None
            found += [network.linear.weight, network.linear.bias]
            found += [network.norm.weight, network.norm.bias]
    return found


class Stack(nn.ModuleList):
    """LMN layers one after the other; with no layers the identity."""

    def __init__(
        self, inputs: int, widths: tuple[int, ...], norm: str, activation: str = "mish"
    ) -> None:
        sizes = (inputs, *widths)
        super().__init__(LMN(a, b, norm, activation) for a, b in zip(sizes, widths, strict=False))
        self.outputs = sizes[-1]

    @property
    def layers(self) -> list[LMN]:
        """They, with their type."""
        return [layer for layer in self if isinstance(layer, LMN)]

    def forward(self, x: Tensor, entry_weight: Tensor | None) -> Tensor:
        """x (E, inputs), entry_weight (E,) for batch norm, else unused -> (E, outputs)."""
        for layer in self:
            x = layer(x, entry_weight)
        return x


def segment_mean(x: Tensor, weight: Tensor, segment: Tensor, total: Tensor) -> Tensor:
    """Weighted mean of rows x (R, C) by segment (R,); total (B,) sums the weights -> (B, C)."""
    weighted = x * weight[:, None]
    out = weighted.new_zeros(total.numel(), x.shape[1])
    return out.index_add(0, segment, weighted) / total[:, None]


def segment_max(x: Tensor, segment: Tensor, segments: int) -> Tensor:
    """Largest value of rows x (R, C) by segment (R,) -> (segments, C)."""
    index = segment[:, None].expand_as(x)
    out = x.new_full((segments, x.shape[1]), -torch.inf)
    return out.scatter_reduce(0, index, x, "amax")


def segment_softmax(logits: Tensor, segment: Tensor, segments: int) -> Tensor:
    """Softmax of logits (E, H) within each segment (E,); every segment's column sums to 1.

    An entry that stands for n equal ones has ln(n) added to its logits; its result is their sum.
    """
    top = segment_max(logits.detach(), segment, segments)
    weight = torch.exp(logits - top.index_select(0, segment))
    total = torch.zeros_like(top).index_add(0, segment, weight)
    return weight / total.index_select(0, segment)


class Nonnegative(torch.autograd.Function):
    """max(0, y) forward, identity backward: a clamped gap that still learns below zero."""

    @staticmethod
    def forward(ctx: object, y: Tensor) -> Tensor:
        """Clamp at zero."""
        return y.clamp(min=0)

    @staticmethod
    def backward(ctx: object, *gradients: Tensor) -> Tensor:
        """Pass the gradient through."""
        return gradients[0]
