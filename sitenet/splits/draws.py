"""Random draws of crystals that do not depend on which other crystals there are."""

from collections.abc import Sequence
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray


def ranked(ids: Sequence[str], key: str) -> NDArray[np.int64]:
    """Positions of all `ids` in a random order that `key` decides: (n,).

    The rank of a crystal is a hash of key and id. Hence the order of `ids` does not matter, and of
    two sets that share most of their crystals the first ones are mostly the same.
    """
    hashes = [sha256(f"{key} {name}".encode()).digest() for name in ids]
    return np.array(sorted(range(len(ids)), key=hashes.__getitem__), dtype=np.int64)


def drawn(ids: Sequence[str], count: int | None, key: str) -> NDArray[np.int64]:
    """Ascending positions of the first `count` (None: all) of `ids` in the order of `ranked`."""
    if count is None:
        return np.arange(len(ids))
    return np.sort(ranked(ids, key)[:count])
