"""What a trained model attends to in one crystal.

Sites that the model cannot tell apart are one kind of site, named by element and number (Ti1, O1,
O2). Blocks and heads are numbered from 1.
"""

from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from sitenet.analysis.attention import FAR, atom_attention
from sitenet.crystal.distances import lattice_points
from sitenet.crystal.featurise import MergedCrystal
from sitenet.crystal.lattice_reduction import minkowski
from sitenet.files import read_json
from sitenet.model.layers import segment_max
from sitenet.model.saving import load_model
from sitenet.shards.store import CrystalStore
from sitenet.structure.elements import symbols
from sitenet.structure.formula import reduced_formula
from sitenet.tables import read_table, write_table

Float = NDArray[np.float64]
Int = NDArray[np.int64]

SAME = 1e-3
"""A, within which images of an atom are equally near, and distances are those of a merged pair."""


@dataclass(frozen=True)
class Explanation:
    """The attention of one crystal of P sites, R kinds of sites, under a trained model.

    neighbours: one row for each kind of site, block, head and kind of neighbour: site, block,
    head, neighbour (kind of site), element (of the neighbour), distance (A; 0 for the site
    itself), atoms (how many there are), weight (attention of one of them), share (of all of them).
    Rows of a head come by falling share.
    heads: one row for each kind of site, block and head: site, sites (how many), block, head,
    self_share, near_share, far_share (beyond 5 A).
    long_range_coefficient: in A (eq 8, doi 10.1039/d3dd00005b); percentile: of the training
    crystals it was compared with, those with a smaller one, in %, None without any; compared:
    their number.
    attention: (E, blocks, H) of one atom of each merged pair of `crystal`.
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
        """The kind of site with the most attention of the last block beyond 5 A."""
        last = self.heads[self.heads.block == self.heads.block.max()]
        return str(last.groupby("site", sort=False).far_share.sum().idxmax())


def explain_crystal(
    weights: Path, crystal: MergedCrystal, compare: Path | None = None
) -> Explanation:
    """Attention, prediction and long-range coefficient of one crystal.

    Args:
        weights: model.safetensors of a run, with its JSON beside it.
        crystal: featurised as the model's training data were.
        compare: table of long-range coefficients under this model, of whose training crystals the
            distribution is taken.
    """
    model = load_model(weights)
    batch = CrystalStore.from_crystals([""], [crystal]).batch(torch.tensor([0]))
    with torch.inference_mode():
        merged = atom_attention(model, batch)
        prediction = float(model(batch))
    reach = merged[:, -1] * batch.pair_distance[:, None]
    coefficient = float(segment_max(reach, torch.zeros(len(reach), dtype=torch.int64), 1).sum())
    attention = merged.double().numpy()
    neighbours = _neighbours(crystal, attention)
    others = np.empty(0)
    if compare is not None:
        column, training = "long_range_coefficient", [("split", "==", "train")]
        others = read_table(compare, columns=[column], filters=training)[column].to_numpy()
    return Explanation(
        formula=reduced_formula(crystal.numbers),
        crystal=crystal,
        prediction=prediction,
        unit=read_json(weights.with_suffix(".json"))["label"]["unit"],
        neighbours=neighbours,
        heads=_heads(crystal, neighbours),
        long_range_coefficient=coefficient,
        percentile=float((others < coefficient).mean() * 100) if len(others) else None,
        compared=len(others),
        attention=attention,
    )


def site_names(crystal: MergedCrystal) -> list[str]:
    """Names of the kinds of sites (R): element and a number counted within the element."""
    numbers: dict[str, count[int]] = {}
    elements = _elements(crystal)
    return [f"{e}{next(numbers.setdefault(e, count(1)))}" for e in elements]


def _elements(crystal: MergedCrystal) -> list[str]:
    """Element of each kind of site (R)."""
    first = np.unique(crystal.site_class, return_index=True)[1]
    return [symbols()[int(z)] for z in crystal.numbers[first]]


def _neighbours(crystal: MergedCrystal, attention: Float) -> pd.DataFrame:
    """`Explanation.neighbours` from the attention of one atom (E, blocks, H)."""
    names, elements = np.array(site_names(crystal)), np.array(_elements(crystal))
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


def _heads(crystal: MergedCrystal, neighbours: pd.DataFrame) -> pd.DataFrame:
    """`Explanation.heads`: the shares, added up."""
    kinds = np.where(neighbours.distance > FAR, "far_share", "near_share")
    kinds = np.where(neighbours.distance == 0, "self_share", kinds)
    sums = neighbours.assign(kind=kinds).pivot_table(
        index=["site", "block", "head"], columns="kind", values="share", aggfunc="sum", sort=False
    )
    sums = sums.reindex(columns=["self_share", "near_share", "far_share"], fill_value=0.0)
    sums = sums.fillna(0.0).rename_axis(columns=None).reset_index()
    sites = dict(zip(site_names(crystal), np.bincount(crystal.site_class), strict=True))
    sums.insert(1, "sites", sums.site.map(sites))
    return sums


def write_explanation(explanation: Explanation, stem: Path) -> None:
    """Write the tables as CSV: `stem`_neighbours.csv and `stem`_heads.csv."""
    tables = {"neighbours": explanation.neighbours, "heads": explanation.heads}
    for name, table in tables.items():
        write_table(stem.with_name(f"{stem.name}_{name}.csv"), table, float_format="%.6g")


@dataclass(frozen=True)
class Surroundings:
    """Supercell atoms around one site, each in all places where it is nearest.

    position (n, 3) in A from the site, kind (n,) of site, distance (n,) in A.
    """

    position: Float
    kind: Int
    distance: Float


def surroundings(crystal: MergedCrystal, site: str) -> Surroundings:
    """The atoms that the first site of a kind attends to. ValueError if there is no such kind.

    An atom on the border between the supercell's images is at the same distance in several
    directions and is given in each.
    """
    names = site_names(crystal)
    if site not in names:
        raise ValueError(f"there is no site {site}; the crystal has {', '.join(names)}")
    centre = int(np.flatnonzero(crystal.site_class == names.index(site))[0])
    places = places_around(crystal, centre)
    distance = np.linalg.norm(places, axis=2)
    atom, shift = np.nonzero(distance <= distance.min(axis=1, keepdims=True) + SAME)
    kinds = crystal.site_class[atom // crystal.images]
    return Surroundings(places[atom, shift], kinds, distance[atom, shift])


def places_around(crystal: MergedCrystal, centre: int) -> Float:
    """The nearer images of all A supercell atoms, from site `centre`, in A: (A, 27, 3).

    The nearest ones are among them.
    """
    axes = crystal.supercell @ crystal.lattice
    axes = minkowski(axes @ axes.T) @ axes
    cells = lattice_points(crystal.supercell)
    frac = (crystal.frac[:, None] + cells - crystal.frac[centre]).reshape(-1, 3)
    inside = frac @ crystal.lattice @ np.linalg.inv(axes)
    inside -= np.rint(inside)
    shifts = np.array(list(np.ndindex(3, 3, 3))) - 1
    return (inside[:, None] + shifts) @ axes


def weights_around(
    explanation: Explanation, around: Surroundings, site: str, block: int, head: int
) -> Float:
    """Attention of each of the `around` atoms (n,) in one head."""
    table = explanation.neighbours
    table = table[(table.site == site) & (table.block == block) & (table["head"] == head)]
    index = {name: k for k, name in enumerate(site_names(explanation.crystal))}
    kind = table.neighbour.map(index).to_numpy()
    apart = abs(around.distance[:, None] - table.distance.to_numpy())
    apart[around.kind[:, None] != kind] = np.inf
    return table.weight.to_numpy()[apart.argmin(axis=1)]
