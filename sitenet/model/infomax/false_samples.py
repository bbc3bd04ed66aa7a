"""False samples, from which true ones are to be discriminated (section 2, 10.1039/d4dd00202d).

A donor is another crystal of the batch. At the local level a false environment mixes what an atom
sees (species, distances) with what an atom of the donor sees; at the global level a false crystal
is a structure with other species on its sites, to be encoded anew.
"""

from dataclasses import replace

import torch
from torch import Tensor

from sitenet.shards.batch import RaggedBatch
from sitenet.shards.store import offsets, ranges


def derangement(size: int, generator: torch.Generator) -> Tensor:
    """A donor for each of `size` crystals, never itself: a random cyclic permutation (size,).

    A batch of one crystal has no donor: it gets itself, and callers leave its false samples out.
    """
    order = torch.randperm(size, generator=generator, device=generator.device)
    donors = torch.empty_like(order)
    donors[order] = order.roll(-1)
    return donors


def seen(batch: RaggedBatch, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Pairs of the rows (n,), concatenated: index of the pair (V,) and position in `rows` (V,)."""
    lengths = batch.row_offsets.diff()[rows]
    return ranges(batch.row_offsets[rows], lengths), torch.repeat_interleave(lengths)


def donor_rows(batch: RaggedBatch, donors: Tensor, generator: torch.Generator) -> Tensor:
    """For each class (R,) the class of a random site of its crystal's donor (donors (B,))."""
    of_site = torch.repeat_interleave(batch.site_weight.long())
    first = offsets(batch.sizes.long())
    donor = donors[batch.crystal]
    count = first[donor + 1] - first[donor]
    draw = torch.rand(len(donor), generator=generator, device=donor.device, dtype=torch.double)
    return of_site[first[donor] + torch.minimum((draw * count).long(), count - 1)]


def donor_pairs(batch: RaggedBatch, donor_row: Tensor, generator: torch.Generator) -> Tensor:
    """For each pair (E,) a random pair of its row's donor row (R,), drawn by its number of atoms.

    The site itself (d = 0) is matched with the donor site itself, any other atom with another.
    """
    itself = batch.pair_distance == 0
    others = torch.where(itself, 0, batch.pair_count).double().cumsum(0)
    start = torch.cat([others.new_zeros(1), others])[batch.row_offsets]
    donor = donor_row[batch.pair_row]
    total = start[donor + 1] - start[donor]
    draw = torch.rand(len(donor), generator=generator, device=donor.device, dtype=torch.double)
    found = torch.searchsorted(others, start[donor] + draw * total, right=True)
    found = found.clamp(batch.row_offsets[donor], batch.row_offsets[donor + 1] - 1)
    own = torch.zeros_like(batch.row_offsets[1:])
    own[batch.pair_row[itself]] = itself.nonzero()[:, 0]
    return torch.where(itself | (total == 0), own[donor], found)


def with_species(sites: RaggedBatch, donors: Tensor, generator: torch.Generator) -> RaggedBatch:
    """Crystals (a row per site) with the species of their donors (B,) shuffled onto their sites.

    P sites get the composition of the donor's P' as exactly as P allows: each species on its
    share of P sites, rounded up or down at random (systematic sampling), exact where the share is
    a whole number. A crystal that is its own donor keeps its composition: a permutation.
    """
    size = sites.sizes.long()
    first = offsets(size)[:-1]
    rows = torch.arange(len(sites.numbers), device=size.device)
    # Sites in order of crystal and species: equal steps meet the species in their proportions.
    order = torch.argsort(sites.oxidation, stable=True)
    order = order[torch.argsort(sites.numbers[order], stable=True)]
    order = order[torch.argsort(sites.crystal[order], stable=True)]
    start = torch.rand(len(size), generator=generator, device=size.device, dtype=torch.double)
    slot = (rows - first[sites.crystal]).double()
    ratio = size[donors].double() / size
    step = ((slot + start[sites.crystal]) * ratio[sites.crystal]).long()
    donor = donors[sites.crystal]
    source = order[first[donor] + torch.minimum(step, size[donor] - 1)]
    shuffle = torch.rand(len(rows), generator=generator, device=rows.device, dtype=torch.double)
    target = torch.argsort(sites.crystal + shuffle)
    numbers, oxidation = torch.empty_like(sites.numbers), torch.empty_like(sites.oxidation)
    numbers[target], oxidation[target] = sites.numbers[source], sites.oxidation[source]
    return replace(sites, numbers=numbers, oxidation=oxidation).with_types()


def changed(sites: RaggedBatch, other: RaggedBatch) -> Tensor:
    """Which crystals (B,) bool have another species on some site in `other`."""
    differ = (sites.numbers != other.numbers) | (sites.oxidation != other.oxidation)
    count = torch.zeros_like(sites.sizes).index_add(0, sites.crystal, differ.to(sites.sizes.dtype))
    return count > 0
