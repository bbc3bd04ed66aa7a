"""Which crystals get to show their labels when only some labels are given."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sitenet.splits.draws import ranked


def label_mask(ids: Sequence[str], count: int, seed: int) -> NDArray[np.int64]:
    """Positions (count,) in `ids` of the crystals whose labels are shown, in random order.

    One seed shows the same labels whatever they are used for: the order of `ids` does not matter,
    the first k of a mask are the mask of k labels, and a crystal that is missing from `ids` is
    replaced by the next in rank without a change to the others.

    Raises:
        ValueError: there are fewer than `count` crystals.
    """
    if count > len(ids):
        raise ValueError(f"{count:,} labels are asked for, but there are only {len(ids):,}")
    return ranked(ids, f"labels {seed}")[:count]
