"""Denoising of positions, a pretext task that `more_pretext.py` trains.

The sites of the primitive cell are moved by normal noise. The vectors of the sites must tell how
far and where each was moved, in units of the noise, by a weight for each neighbour in the direction
to it (Zaidi et al. 2022, arXiv:2206.00133, with the head of Satorras et al. 2021,
arXiv:2102.09844), and the crystal vector the logarithm of the noise.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from sitenet.crystal.distances import lattice_points
from sitenet.crystal.lattice_reduction import HALF_OF_NEIGHBOURS, minkowski
from sitenet.model.layers import LMN
from sitenet.model.sitenet import SiteNet
from sitenet.shards.batch import RaggedBatch
from sitenet.shards.schema import read_lists

Float = NDArray[np.float64]
Int = NDArray[np.int64]

NOISE = (0.03, 0.3)
"""Standard deviations of the displacement along an axis (A), drawn uniformly in the logarithm."""

RADIUS = 6.0
"""Farthest neighbour (A) that tells a direction."""

BASIS, WIDTH, SHRUNK = 16, 64, 128
"""Gaussians of the distance, and widths of the layers of the head."""

_COLUMNS = ("id", "numbers", "oxidation", "supercell", "lattice", "frac")


class Cell(NamedTuple):
    """numbers, oxidation (P,), sites (P, 3) and lattice points (K, 3) in A, reduced axes (3, 3)."""

    numbers: Int
    oxidation: NDArray[np.float32]
    sites: Float
    points: Float
    axes: Float


class Displaced(NamedTuple):
    """Vectors (E, 3) of the pairs in A, displacements (R, 3) over the noise, its logarithm (B,)."""

    batch: RaggedBatch
    vectors: Tensor
    displacements: Tensor
    level: Tensor


def read_cells(shards: Sequence[Path], ids: Sequence[str]) -> list[Cell]:
    """Cells of these crystals, in this order."""
    wanted, found = set(ids), {}
    for shard in shards:
        for group in read_lists(shard, _COLUMNS):
            lists = [name for name in _COLUMNS if f"{name}.length" in group]
            ends = {name: np.cumsum(group[f"{name}.length"])[:-1] for name in lists}
            parts = {name: np.split(group[name], ends[name]) for name in lists}
            for row, name in enumerate(group["id"]):
                if name in wanted:
                    found[name] = _cell({column: parts[column][row] for column in lists})
    return [found[name] for name in ids]


def _cell(own: dict[str, NDArray]) -> Cell:
    lattice = own["lattice"].reshape(3, 3)
    matrix = own["supercell"].reshape(3, 3).astype(np.int64)
    axes = matrix @ lattice
    return Cell(
        own["numbers"].astype(np.int64),
        own["oxidation"],
        own["frac"].reshape(-1, 3) @ lattice,
        lattice_points(matrix) @ lattice,
        minkowski(axes @ axes.T) @ axes,
    )


def nearest_images(sites: Float, points: Float, axes: Float) -> Float:
    """Shortest vectors (P P K, 3) from each site to all atoms of a supercell; reduced `axes`."""
    vectors = (sites[:, None] + points - sites[:, None, None]).reshape(-1, 3)
    vectors -= np.rint(vectors @ np.linalg.inv(axes)) @ axes
    near = HALF_OF_NEIGHBOURS @ axes
    along = vectors @ near.T
    gain = (near**2).sum(1) - 2 * abs(along)
    best = gain.argmin(1)
    rows = np.arange(len(vectors))
    closer = (gain[rows, best] < 0)[:, None]
    return vectors - closer * np.sign(along[rows, best])[:, None] * near[best]


def displaced(cells: Sequence[Cell], seeds: Sequence[tuple[int, ...]]) -> Displaced:
    """Crystals with every site moved: each is a class of its own, and no pairs are merged."""
    vectors, moves, levels = [], [], []
    for cell, seed in zip(cells, seeds, strict=True):
        random = np.random.default_rng(seed)
        noise = np.exp(random.uniform(*np.log(NOISE)))
        move = random.standard_normal(cell.sites.shape)
        move -= move.mean(0)
        vectors.append(nearest_images(cell.sites + noise * move, cell.points, cell.axes))
        moves.append(move)
        levels.append(np.log(noise))
    sizes = np.array([len(cell.numbers) for cell in cells])
    first = np.cumsum(sizes) - sizes
    images = [len(cell.points) for cell in cells]
    pairs = [(start + np.arange(n), n, k) for start, n, k in zip(first, sizes, images, strict=True)]
    row = np.concatenate([np.repeat(own, n * k) for own, n, k in pairs])
    column = np.concatenate([np.tile(np.repeat(own, k), n) for own, n, k in pairs])
    flat, pair_row = np.concatenate(vectors), torch.from_numpy(row)
    sites, lengths = int(sizes.sum()), torch.bincount(pair_row)
    batch = RaggedBatch(
        numbers=torch.from_numpy(np.concatenate([cell.numbers for cell in cells])),
        oxidation=torch.from_numpy(np.concatenate([cell.oxidation for cell in cells])),
        site_weight=torch.ones(sites),
        crystal=torch.from_numpy(np.repeat(np.arange(len(cells)), sizes)),
        sizes=torch.from_numpy(sizes).float(),
        row_offsets=torch.cat([lengths.new_zeros(1), lengths.cumsum(0)]),
        pair_row=pair_row,
        pair_column=torch.from_numpy(column),
        pair_distance=torch.from_numpy(np.sqrt((flat**2).sum(1))).float(),
        pair_count=torch.ones(len(row)),
        pair_type=pair_row,
        type_first=pair_row,
        geometry=torch.zeros(sites, 0),
    ).with_types()
    return Displaced(
        batch,
        torch.from_numpy(flat).float(),
        torch.from_numpy(np.concatenate(moves)).float(),
        torch.tensor(levels).float(),
    )


class Denoiser(nn.Module):
    """An encoder with the heads of the denoising."""

    def __init__(self, encoder: SiteNet) -> None:
        super().__init__()
        self.encoder = encoder
        self.shrink = LMN(self.encoder.local_width, SHRUNK, "layer")
        self.own, self.other = nn.Linear(SHRUNK, WIDTH), nn.Linear(SHRUNK, WIDTH)
        self.distance, self.weight = nn.Linear(BASIS, WIDTH), nn.Linear(WIDTH, 1)
        self.level = nn.Linear(self.encoder.crystal_width, 1)

    def forward(self, given: Displaced) -> tuple[Tensor, Tensor]:
        """Mean absolute errors (B,) of the displacements' components, and of the log noise."""
        batch = given.batch
        sites = self.encoder.sites(batch)
        crystals = self.encoder.crystal_vectors(
            sites, batch.site_weight, batch.crystal, batch.sizes
        )
        middle = float(np.log(NOISE).mean())
        levels = (self.level(crystals)[:, 0] + middle - given.level).abs()
        errors = (self._told(sites, given) - given.displacements).abs().mean(1)
        return torch.zeros_like(levels).index_add(0, batch.crystal, errors) / batch.sizes, levels

    def _told(self, sites: Tensor, given: Displaced) -> Tensor:
        """Displacements (R, 3): sums over neighbours of weights times unit vectors."""
        batch = given.batch
        near = (batch.pair_distance < RADIUS) & (batch.pair_row != batch.pair_column)
        distance, row = batch.pair_distance[near], batch.pair_row[near]
        centres = torch.linspace(0.5, RADIUS, BASIS)
        basis = torch.exp(-0.5 * ((distance[:, None] - centres) / 0.35) ** 2)
        small = self.shrink(sites, batch.site_weight)
        other = self.other(small).index_select(0, batch.pair_column[near])
        hidden = F.mish(self.own(small).index_select(0, row) + other + self.distance(basis))
        fading = (torch.cos(distance * (np.pi / RADIUS)) + 1) / 2
        weight = self.weight(hidden)[:, 0] * fading / distance
        none = torch.zeros_like(given.displacements)
        return none.index_add(0, row, weight[:, None] * given.vectors[near])
