"""Random draws of crystals that do not depend on which other crystals there are."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def ranked(ids: Sequence[str], key: str) -> NDArray[np.int64]:
    """Positions of all `ids` in a random order that `key` decides: (n,).

    The rank of a crystal is a hash of key and id. Hence the order of `ids` does not matter, and of
    two sets that share most of their crystals the first ones are mostly the same.
    """
    hashes = [sha256(f"{key} {name}".encode()).digest() for name in ids]
    return np.array(sorted(range(len(ids)), key=hashes.__getitem__), dtype=np.int64)


def draw(split: Path, part: str, count: int | None, seed: int) -> list[str]:
    """Ids of at most `count` crystals (None: all) of `part` (train, val or test), in file order.

    Raises:
        ValueError: there is no crystal in that part.
    """
    table = pd.read_csv(split, dtype=str, keep_default_na=False)
    ids = table.id[table.split == part].tolist()
    if not ids:
        raise ValueError(f"{split} has no crystals in its part {part}")
    if count is None:
        return ids
    chosen = np.sort(ranked(ids, f"crystals {seed}")[:count])
    return [ids[k] for k in chosen]
