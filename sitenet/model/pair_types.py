"""Pairs that are alike before the first block, so that their networks are evaluated once.

What a block sees of a pair is its two sites and its interaction features. In the first block sites
of one element and oxidation state are the same, whatever surrounds them, and so are all pairs of
such sites at one distance; new interactions of the first block are too. From the second block on
sites know their surroundings, and only the site classes of the merging are alike.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from sitenet.shards.batch import RaggedBatch


@dataclass(frozen=True)
class PairTypes:
    """The T types of E pairs: `source` (E,) int64 is the type of each, `first` (T,) its first pair.

    Types are in the order of their first pairs.
    """

    source: Tensor
    first: Tensor


def pair_types(batch: RaggedBatch) -> PairTypes:
    """Pairs of a crystal with equal elements, oxidation states and distance; batch on the CPU."""
    kind = species(batch)
    kinds = int(kind.max()) + 1 if len(kind) else 1
    # Types of one crystal stand together, in the cache. Those of crystals 1024 apart may be one.
    own = (batch.crystal % 1024) * kinds + kind
    pair = own[batch.pair_row] * kinds + kind[batch.pair_column]
    return PairTypes(*distinct(pair << 32 | distance_codes(batch.pair_distance)))


def species(batch: RaggedBatch) -> Tensor:
    """Element and oxidation state of each site class as a number (R,) int64 from 0."""
    states = torch.unique(batch.oxidation, return_inverse=True)[1]
    return torch.unique(batch.numbers * (len(states) + 1) + states, return_inverse=True)[1]


def distance_codes(distance: Tensor) -> Tensor:
    """Numbers (n,) int64 below 2^32 which are equal where the distances (n,) are."""
    if distance.dtype == torch.float32:
        return distance.view(torch.int32).long()
    return distinct(distance.view(torch.int64))[0]


def distinct(values: Tensor) -> tuple[Tensor, Tensor]:
    """Which of the different values (m,) each of `values` (n,) int64 is, and where each is first.

    On the CPU they are in the order of their first places, by hashing; on a GPU in that of size.
    """
    if values.device.type == "cpu":
        codes, found = pd.factorize(values.numpy())
        first = np.empty(len(found), dtype=np.int64)
        first[codes[::-1]] = np.arange(len(codes))[::-1]  # of equal indices the last one stays
        return torch.from_numpy(codes), torch.from_numpy(first)
    found, codes = torch.unique(values, return_inverse=True)
    places = torch.arange(len(values), device=values.device)
    return codes, places.new_full(found.shape, len(values)).scatter_reduce(0, codes, places, "amin")
