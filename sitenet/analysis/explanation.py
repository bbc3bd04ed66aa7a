"""The attention of one crystal as tables. Blocks and heads are numbered from 1.

Rows and neighbours are site classes: sites that the model cannot distinguish. They are named by
element and number (Ti1, O1, O2).
"""

from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sitenet.analysis.distance_ranges import FAR
from sitenet.crystal.featurise import MergedCrystal
from sitenet.structure.elements import symbols
from sitenet.tables import write_table

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Explanation:
    """Attention of a trained model in one crystal with E merged pairs of site classes.

    neighbours: a row for each site class, block, head and merged pair: site, block, head,
    neighbour (its site class), element (of the neighbour), distance (A; 0 for the site itself),
    atoms (number of such neighbours), weight (attention to one of them), share (to all of them).
    Rows of a head are sorted by decreasing share.
    heads: a row for each site class, block and head: site, sites (size of the class), block, head,
    self_share, near_share, far_share (beyond 5 A).
    long_range_coefficient: in A (eq 8, doi:10.1039/d3dd00005b). percentile: percentage of the
    training crystals compared with that have a smaller coefficient, None without a comparison.
    compared: number of these crystals.
    attention: (E, blocks, H) to one atom of each merged pair of `crystal`.
    """

    formula: str
    crystal: MergedCrystal
    prediction: float
    unit: str
    neighbours: pd.DataFrame
    heads: pd.DataFrame
    long_range_coefficient: float
    percentile: float | None
    compared: int
    attention: Float

    @property
    def farthest_site(self) -> str:
        """The site class with the most attention beyond 5 A in the last block."""
        last = self.heads[self.heads.block == self.heads.block.max()]
        return str(last.groupby("site", sort=False).far_share.sum().idxmax())


def site_names(crystal: MergedCrystal) -> list[str]:
    """Names of the R site classes: the element, and a number counted within the element."""
    numbers: dict[str, count[int]] = {}
    return [f"{e}{next(numbers.setdefault(e, count(1)))}" for e in class_elements(crystal)]


def class_elements(crystal: MergedCrystal) -> list[str]:
    """Elements of the R site classes."""
    first = np.unique(crystal.site_class, return_index=True)[1]
    return [symbols()[int(z)] for z in crystal.numbers[first]]


def attention_by_neighbour(crystal: MergedCrystal, attention: Float) -> pd.DataFrame:
    """`Explanation.neighbours` from the attention to a single atom, (E, blocks, H)."""
    names, elements = np.array(site_names(crystal)), np.array(class_elements(crystal))
    pair, block, head = np.indices(attention.shape).reshape(3, -1)
    row = np.repeat(np.arange(len(names)), crystal.row_length)
    table = pd.DataFrame(
        {
            "site": names[row[pair]],
            "block": block + 1,
            "head": head + 1,
            "neighbour": names[crystal.pair_class[pair]],
            "element": elements[crystal.pair_class[pair]],
            "distance": crystal.pair_distance[pair],
            "atoms": crystal.pair_count[pair],
            "weight": attention.ravel(),
        }
    )
    table["share"] = table.weight * table.atoms
    order = np.lexsort((-table.share, head, block, row[pair]))
    return table.iloc[order].reset_index(drop=True)


def attention_by_distance(crystal: MergedCrystal, neighbours: pd.DataFrame) -> pd.DataFrame:
    """`Explanation.heads`: sums of the shares in `Explanation.neighbours` by distance range."""
    ranges = np.where(neighbours.distance > FAR, "far_share", "near_share")
    ranges = np.where(neighbours.distance == 0, "self_share", ranges)
    sums = neighbours.assign(range=ranges).pivot_table(
        index=["site", "block", "head"], columns="range", values="share", aggfunc="sum", sort=False
    )
    sums = sums.reindex(columns=["self_share", "near_share", "far_share"], fill_value=0.0)
    sums = sums.fillna(0.0).rename_axis(columns=None).reset_index()
    sites = dict(zip(site_names(crystal), np.bincount(crystal.site_class), strict=True))
    sums.insert(1, "sites", sums.site.map(sites))
    return sums


def write_explanation(explanation: Explanation, stem: Path) -> None:
    """Write both tables as CSV: `stem`_neighbours.csv and `stem`_heads.csv."""
    tables = {"neighbours": explanation.neighbours, "heads": explanation.heads}
    for name, table in tables.items():
        write_table(stem.with_name(f"{stem.name}_{name}.csv"), table, float_format="%.6g")
