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
    states = torch.unique(batch.oxidation, return_inverse=True)[1]
    species, kind = torch.unique(batch.numbers * (len(states) + 1) + states, return_inverse=True)
    # Types of one crystal stand together, in the cache. Those of crystals 1024 apart may be one.
    own = (batch.crystal % 1024) * len(species) + kind
    pair = own[batch.pair_row] * len(species) + kind[batch.pair_column]
    if batch.pair_distance.dtype == torch.float32:
        distance = batch.pair_distance.view(torch.int32).long()
    else:
        distance = torch.from_numpy(pd.factorize(batch.pair_distance.numpy())[0])
    source, types = pd.factorize((pair << 32 | distance).numpy())
    first = np.empty(len(types), dtype=np.int64)
    first[source[::-1]] = np.arange(len(source))[::-1]  # of equal indices the last one stays
    return PairTypes(torch.from_numpy(source), torch.from_numpy(first))
