"""Rank correlation of resamples, and linear fits."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Int = NDArray[np.int64]

BLOCK = 2**19  # resampled values in memory at a time; more do not fit the cache


@dataclass(frozen=True)
class Line:
    """y = slope x + intercept."""

    slope: float
    intercept: float


def least_squares(x: Float, y: Float) -> Line:
    """Linear least-squares fit of y (n,) to x (n,)."""
    design = np.stack([x, np.ones_like(x)], axis=1)
    slope, intercept = np.linalg.lstsq(design, y)[0]
    return Line(float(slope), float(intercept))


def bootstrap_samples(rng: np.random.Generator, resamples: int, n: int) -> Iterator[Int]:
    """Multiplicity of each of n items in each resample, (rows, n) at a time."""
    rows = max(1, BLOCK // n)
    for done in range(0, resamples, rows):
        size = min(rows, resamples - done)
        drawn = rng.integers(n, size=(size, n)) + n * np.arange(size)[:, None]
        yield np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n)


def weighted_rho(x: Float, y: Float, counts: Int) -> Float:
    """Spearman's rho (R,) of resamples that contain pair i `counts[r, i]` times; NaN if undefined.

    Values keep the order of the whole sample, so that resamples need no sorting.
    """
    ranks = [_centred_mid_ranks(values, counts) for values in (x, y)]
    covariance = np.einsum("rn,rn,rn->r", counts, *ranks)
    variances = [np.einsum("rn,rn,rn->r", counts, r, r) for r in ranks]
    with np.errstate(invalid="ignore"):
        return covariance / np.sqrt(variances[0] * variances[1])


def _centred_mid_ranks(values: Float, counts: Int) -> Float:
    """Mid-rank of each value in each resample, minus the mean over the resample: (R, n)."""
    group = np.unique(values, return_inverse=True)[1]
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    sizes = np.add.reduceat(counts[:, order], starts, axis=1)
    middle = np.cumsum(sizes, axis=1) - sizes / 2
    return middle[:, group] - counts.sum(axis=1, keepdims=True) / 2
