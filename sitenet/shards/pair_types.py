"""Pair types: pairs of one crystal with equal species and distance.

What a block of the model sees of a pair is its two sites and its interaction features. In the first
block, sites of one species (element and oxidation state) are equal whatever surrounds them, and so
are all pairs of such sites at one distance: the networks are evaluated once for each type. Where
crystals have a geometry of sites, it is part of their species. From the second block on sites
depend on their surroundings, and only the site classes of the merging are equal.
"""

import torch
from torch import Tensor


def pair_types(
    species: Tensor, crystal: Tensor, pair_row: Tensor, pair_column: Tensor, distance: Tensor
) -> tuple[Tensor, Tensor]:
    """Type (E,) int64 of each pair and the first pair (T,) int64 of each type, in that order.

    species (R,) int64 from 0 (see `species_codes`), crystal (R,) int64; pair_row, pair_column (E,)
    int64 rows; distance (E,) in A, equal where all bits are. Where pairs are grouped by crystal, so
    are their types. Synchronises with a GPU.
    """
    kinds = int(species.max()) + 1 if len(species) else 1
    own = distinct(crystal * kinds + species)[0]
    # Below 2^31: rows of different crystals or species, times species.
    pair = own.index_select(0, pair_row) * kinds + species.index_select(0, pair_column)
    return distinct(pair << 32 | distance_codes(distance))


def species_codes(numbers: Tensor, oxidation: Tensor, geometry: Tensor | None = None) -> Tensor:
    """Element and oxidation state of each site class as a number (R,) int64 from 0.

    With `geometry` (R, G), what surrounds a site is part of its species.
    """
    states, state = torch.unique(oxidation, return_inverse=True)
    codes = torch.unique(numbers * len(states) + state, return_inverse=True)[1]
    if geometry is None or not geometry.shape[1]:
        return codes
    kinds, kind = torch.unique(geometry, dim=0, return_inverse=True)
    return torch.unique(codes * len(kinds) + kind, return_inverse=True)[1]


def distance_codes(distance: Tensor) -> Tensor:
    """Numbers (n,) int64 below 2^32 that are equal where the distances (n,) are."""
    if distance.dtype == torch.float32:
        return distance.view(torch.int32).long()
    return torch.unique(distance.view(torch.int64), return_inverse=True)[1]


def distinct(values: Tensor) -> tuple[Tensor, Tensor]:
    """Which of the different values (m,) each of `values` (n,) int64 is, and where each is first.

    The different values are in the order of their first places.
    """
    found, codes = torch.unique(values, return_inverse=True)
    first, order = torch.sort(first_places(codes, len(found)))
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order), device=order.device)
    return rank.index_select(0, codes), first


def first_places(codes: Tensor, count: int) -> Tensor:
    """The first place (count,) int64 of each number below `count` in `codes` (n,) int64."""
    places = torch.arange(len(codes), device=codes.device)
    return places.new_full((count,), len(codes)).scatter_reduce_(0, codes, places, "amin")
