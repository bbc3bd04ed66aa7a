"""Scores of representations against constituents, and losses (eqs 2-4, 10.1039/d4dd00202d)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sitenet.model.kernels import pair_scores, use_compiled_layers
from sitenet.model.layers import Stack
from sitenet.options.infomax import Variance


class Constant(nn.Module):
    """A learned vector, whatever the input (n, width): (n, width), zero at first."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.vector = nn.Parameter(torch.zeros(width))

    def forward(self, z: Tensor) -> Tensor:
        return self.vector.expand_as(z)


class Level(nn.Module):
    """Networks of one level: representations z against what they are made of.

    score = u_z(z + sigma y) . u_c(c) with y ~ N(0, 1) and a learned sigma, which `variance` says
    whether to compute from z; `layers` are the widths of both upscaling networks u_z and u_c.
    """

    def __init__(
        self, width: int, constituent_width: int, layers: tuple[int, ...], variance: Variance
    ) -> None:
        super().__init__()
        self.log_variance = nn.Linear(width, width) if variance == "linear" else Constant(width)
        self.upscale_z = Stack(width, layers, "layer")
        self.upscale_c = Stack(constituent_width, layers, "layer")
        use_compiled_layers(self)

    def representations(self, z: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Upscaled noisy representations of z (n, width): u_z (n, C), and their KL term (n,).

        KL, up to a constant: mean over channels of z^2 + s - ln s with s = sigma^2 (eq 4).
        """
        log_variance = self.log_variance(z)
        noise = torch.randn(z.shape, generator=generator, device=z.device, dtype=z.dtype)
        noisy = z + torch.exp(log_variance / 2) * noise
        divergence = (z.square() + log_variance.exp() - log_variance).mean(1)
        return self.upscale_z(noisy, torch.ones_like(divergence)), divergence

    def constituents(self, c: Tensor) -> Tensor:
        """u_c of constituents c (m, constituent_width): (m, C)."""
        return self.upscale_c(c, torch.ones_like(c[:, 0]))


@dataclass(frozen=True)
class Sample:
    """Constituents that representations are scored against: V (representation, constituent) pairs.

    constituent (V,) rows of a table of upscaled constituents, of (V,) the representation that each
    is scored against, weight (V,): those of one crystal add up to 1. `exists` (B,) bool: crystals
    that have such a sample.
    """

    constituent: Tensor
    of: Tensor
    weight: Tensor
    exists: Tensor

    def loss(self, scores: Tensor, crystal: Tensor, sign: float) -> Tensor:
        """Mean of softplus(sign x score) over the constituents of each crystal, (B,).

        scores (V,), crystal (n,) of each representation; sign -1 for true samples.
        """
        losses = F.softplus(sign * scores) * self.weight
        total = losses.new_zeros(len(self.exists))
        return total.index_add(0, crystal.index_select(0, self.of), losses)


def score_loss(
    upscaled_c: Tensor, samples: list[Sample], upscaled_z: Tensor, crystal: Tensor
) -> Tensor:
    """True loss + mean over the kinds of false samples, averaged over the crystals (eqs 2, 3).

    upscaled_c (m, C) constituents, upscaled_z (n, C) representations, crystal (n,) of each; the
    first of `samples` is the true one. A kind that a crystal has no sample of is left out of its
    mean, and a crystal without any false sample out of the average. A score of zero gives 2 ln 2.
    """
    of, constituent = (
        torch.cat([getattr(sample, name) for sample in samples]) for name in ("of", "constituent")
    )
    scores = pair_scores(upscaled_z, upscaled_c, of, constituent)
    true, *falses = scores.split([len(sample.of) for sample in samples])
    each = torch.stack([
        sample.loss(part, crystal, 1.0) for sample, part in zip(samples[1:], falses, strict=True)
    ])  # fmt: skip
    exists = torch.stack([sample.exists for sample in samples[1:]]).to(each.dtype)  # (kinds, B)
    kinds = exists.sum(0)
    loss = samples[0].loss(true, crystal, -1.0) + (each * exists).sum(0) / kinds.clamp(min=1)
    has = (kinds > 0).to(loss.dtype)
    return (loss * has).sum() / has.sum().clamp(min=1)
