"""Augmentation: crystals that are stretched a little, all directions alike, anew in every epoch."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from sitenet.shards.batch import RaggedBatch


def draw_stretches(crystals: int, strain: float, seed: int, epoch: int) -> Tensor:
    """Factors (crystals,) of the distances in a crystal: 1 + `strain` times a normal number.

    They follow from the crystal's place, `seed` and `epoch`: batches and processes do not matter.
    """
    normal = np.random.default_rng((seed, epoch)).standard_normal(crystals, np.float32)
    return torch.from_numpy(1 + strain * normal)


def stretched(batch: RaggedBatch, factors: Tensor) -> RaggedBatch:
    """The batch with distances times `factors` (B,): equal ones stay equal."""
    of_pair = factors[batch.crystal].index_select(0, batch.pair_row)
    return replace(batch, pair_distance=batch.pair_distance * of_pair)
