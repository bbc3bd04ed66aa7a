"""Random selection of crystals, independent of which other crystals there are."""

from collections.abc import Sequence
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray


def ranked(ids: Sequence[str], key: str) -> NDArray[np.int64]:
    """Positions (n,) of all `ids` in a random order that is determined by `key`.

    The order is that of a hash of key and id. Hence it does not depend on the order of `ids`, and
    two sets that share most crystals mostly have the same first ones.
    """
    hashes = [sha256(f"{key} {name}".encode()).digest() for name in ids]
    return np.array(sorted(range(len(ids)), key=hashes.__getitem__), dtype=np.int64)


def drawn(ids: Sequence[str], count: int | None, key: str) -> NDArray[np.int64]:
    """Ascending positions of the first `count` of `ids` (None: all) in the order of `ranked`."""
    if count is None:
        return np.arange(len(ids))
    return np.sort(ranked(ids, key)[:count])
