"""The featurised crystals of a split: their ids, parts and sizes."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sitenet.shards.schema import read_lists
from sitenet.splits.parts import Parts
from sitenet.structure.formula import reduced_formula

Int = NDArray[np.int64]
Text = NDArray[np.object_]


@dataclass(frozen=True)
class Featurised:
    """Crystals that are both in a split and in shards, in the order of the shards.

    `ids` (n,), their `parts` (n,), and the unique sites `n_sites` (n,) of their primitive cells.
    `split` is the file that the parts are from. A store that keeps these ids has them in the same
    order.
    """

    split: Path
    ids: Text
    parts: Text
    n_sites: Int

    def __len__(self) -> int:
        return len(self.ids)

    def indices(self, part: str, n_atoms: int | None = None) -> Int:
        """Positions of a part; with `n_atoms`, only of primitive cells that fit into it."""
        chosen = self.parts == part
        if n_atoms is not None:
            chosen &= self.n_sites <= n_atoms
        return np.flatnonzero(chosen)

    def take(self, chosen: NDArray) -> "Featurised":
        """Only some crystals, by ascending positions or by a mask (n,)."""
        columns = {name: getattr(self, name)[chosen] for name in ("ids", "parts", "n_sites")}
        return replace(self, **columns)

    def require(self, *parts: str) -> None:
        """Raise ValueError where a part has no crystal."""
        if empty := [part for part in parts if not (self.parts == part).any()]:
            raise ValueError(
                f"{self.split}: no featurised crystal in its part {' or '.join(empty)}"
            )


def read_featurised(shards: Sequence[Path], parts: Parts) -> Featurised:
    """The crystals of `parts` that are in `shards`; no label is read.

    Raises:
        DamagedTable: a shard cannot be read.
        ValueError: the shards have a crystal twice.
    """
    ids: list[str] = []
    n_sites: list[Int] = []
    for shard in shards:
        for group in read_lists(shard, ("id", "n_sites")):
            chosen = np.array([name in parts.of for name in group["id"]], dtype=bool)
            ids += group["id"][chosen].tolist()
            n_sites.append(group["n_sites"][chosen].astype(np.int64))
    if len(set(ids)) < len(ids):
        raise ValueError(f"crystals of {parts.source} are in the shards twice")
    return Featurised(
        split=parts.source,
        ids=np.array(ids, dtype=object),
        parts=np.array([parts.of[name] for name in ids], dtype=object),
        n_sites=np.concatenate(n_sites) if n_sites else np.empty(0, dtype=np.int64),
    )


def formulas_of(shards: Sequence[Path], ids: Collection[str]) -> dict[str, str]:
    """Reduced formula of the crystals `ids` of shards, by id. Raises DamagedTable."""
    found = {}
    for shard in shards:
        for group in read_lists(shard, ("id", "numbers")):
            ends = np.cumsum(group["numbers.length"])[:-1]
            for name, numbers in zip(group["id"], np.split(group["numbers"], ends), strict=True):
                if name in ids:
                    found[name] = reduced_formula(numbers)
    return found
