"""Building blocks of the pair block's Triton kernels: the work on one tile of evaluations.

A tile holds TILE evaluations of the networks, each for a pair or for a pair type, x BLOCK channels
of one network (a power of two at least its width); what lies past the last evaluation or the last
channel is masked. Sums are in float32 (float64 for float64).
"""

from collections.abc import Sequence
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

# How float32 products are made where torch.backends.cuda.matmul.allow_tf32 is off: three tf32
# products on the tensor cores, as exact as float32. "ieee" would multiply without them.
EXACT = "tf32x3"
NORM_EPSILON = tl.constexpr(1e-5)
STEP = tl.constexpr(16)  # input channels of one tl.dot, the fewest it takes


def sum_type(dtype: torch.dtype) -> torch.dtype:
    """Type of sums over tensors of `dtype`."""
    return torch.promote_types(dtype, torch.float32)


def block(width: int) -> int:
    """Channels of a tile for a network of this width."""
    return max(16, triton.next_power_of_2(width))


def tile_options(inputs: Tensor, widths: Sequence[int]) -> dict[str, Any]:
    """Compile-time arguments of the kernels over tiles of evaluations, for interactions (S, K).

    16 values of the widest network per thread and 128 registers, so that two programs of 8 warps
    fit a multiprocessor: what ptxas spills then is at most 72 bytes (sm_90, Table 1's widths).
    """
    blocks = [block(width) for width in widths]
    tile = min(64, max(16, 4096 // max(blocks)))
    return {
        "INPUTS": inputs.shape[1],
        "HIDDEN": widths[0],
        "VALUE": widths[1],
        "FRESH": widths[2],
        "HIDDEN_BLOCK": blocks[0],
        "VALUE_BLOCK": blocks[1],
        "FRESH_BLOCK": blocks[2],
        "TILE": tile,
        "SUM": tl.float64 if inputs.dtype == torch.float64 else tl.float32,
        "PRECISION": "tf32" if torch.backends.cuda.matmul.allow_tf32 else EXACT,
        "num_warps": min(16, max(4, tile * max(blocks) // 512)),
        "maxnreg": 128,
    }


@triton.jit
def preactivation(
    own, other, inputs, weight, row, column, source, live,
    FIRST: tl.constexpr, WIDTH: tl.constexpr, BLOCK: tl.constexpr,
    CHANNELS: tl.constexpr, INPUTS: tl.constexpr, SUM: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """own[row] + other[column] + inputs[source] weight^T, channels FIRST to FIRST + WIDTH."""
    channel = tl.arange(0, BLOCK)
    inside = channel < WIDTH
    mask = live[:, None] & inside[None, :]
    here = FIRST + channel
    z = tl.load(own + row[:, None] * CHANNELS + here[None, :], mask=mask, other=0).to(SUM)
    z += tl.load(other + column[:, None] * CHANNELS + here[None, :], mask=mask, other=0).to(SUM)
    for start in tl.static_range(0, INPUTS, STEP):
        k = start + tl.arange(0, STEP)
        known = k < INPUTS
        x = tl.load(
            inputs + source[:, None] * INPUTS + k[None, :],
            mask=live[:, None] & known[None, :], other=0,
        )  # fmt: skip
        w = tl.load(
            weight + here[None, :] * INPUTS + k[:, None],
            mask=known[:, None] & inside[None, :], other=0,
        )  # fmt: skip
        z = tl.dot(x, w, z, input_precision=PRECISION, out_dtype=SUM)
    return z


@triton.jit
def mish(z):
    """z tanh(ln(1 + e^z)) and its slope, from one exponential that cannot overflow."""
    u = tl.exp(-tl.abs(z))
    right = z >= 0
    above = tl.where(right, 1 + 2 * u, u * (u + 2))
    rest = tl.where(right, 2 * u * u, 2.0)  # tanh = above / (above + rest)
    below = above + rest
    inverse = 1 / (below * (1 + u))
    share = (1 + u) * inverse  # 1 / below
    tanh = above * share
    sigmoid = tl.where(right, 1.0, u) * below * inverse
    slope = tanh + z * sigmoid * (rest * share) * (1 + tanh)
    return z * tanh, slope


@triton.jit
def normalise(activated, WIDTH: tl.constexpr, BLOCK: tl.constexpr):
    """Layer norm without scale and shift, zero past WIDTH; and the inverse deviation (TILE,)."""
    inside = (tl.arange(0, BLOCK) < WIDTH)[None, :]
    mean = tl.sum(activated, 1) / WIDTH
    centred = tl.where(inside, activated - mean[:, None], 0)
    inverse = 1 / tl.sqrt(tl.sum(centred * centred, 1) / WIDTH + NORM_EPSILON)
    return centred * inverse[:, None], inverse


@triton.jit
def parameter(
    start, FIRST: tl.constexpr, WIDTH: tl.constexpr, BLOCK: tl.constexpr, SUM: tl.constexpr
):
    """Entries FIRST to FIRST + WIDTH of a vector of parameters, zeros after."""
    channel = tl.arange(0, BLOCK)
    return tl.load(start + FIRST + channel, mask=channel < WIDTH, other=0).to(SUM)
