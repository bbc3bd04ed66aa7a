"""Random selection of the crystals whose labels are used, for training on few labels."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sitenet.splits.draws import ranked


def label_mask(ids: Sequence[str], count: int, seed: int) -> NDArray[np.int64]:
    """Positions (count,) in `ids` of the crystals whose labels are used, in random order.

    A seed selects the same labels for every purpose: the order of `ids` does not matter, the first
    k positions are the mask of k labels, and a crystal that is missing from `ids` is replaced by
    the next one in order without changing the others.

    Raises:
        ValueError: there are fewer than `count` crystals.
    """
    if count > len(ids):
        raise ValueError(f"{count:,} labels are requested, but there are only {len(ids):,}")
    return ranked(ids, f"labels {seed}")[:count]
