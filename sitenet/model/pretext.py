"""Pretext tasks of an encoder: numbers computed from a crystal, and which element was hidden.

One element of a crystal is hidden on all of its sites, so that sites that are equal stay equal and
merged pairs exact; the vectors of these sites must tell it.
"""

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sitenet.crystal.element_features import HEAVIEST
from sitenet.model.layers import LMN
from sitenet.model.sitenet import SiteNet
from sitenet.shards.batch import RaggedBatch

HIDDEN = 0
"""Atomic number of a hidden site; so are its properties, and the oxidation state."""

WIDTH = 128
"""Of the layer between the vector of a hidden site and its element."""


class Pretext(nn.Module):
    """An encoder, a linear layer from Z to `targets` numbers, and one more that names elements."""

    def __init__(self, encoder: SiteNet, targets: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.computed = nn.Linear(encoder.crystal_width, targets)
        self.hidden_layer = LMN(encoder.local_width, WIDTH, "layer")
        self.element = nn.Linear(WIDTH, HEAVIEST + 1)

    def forward(self, batch: RaggedBatch, targets: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
        """Losses (B,) of each crystal, in the computed numbers and in the hidden element.

        The first is the mean absolute error in `targets` (B, T) where not NaN; the second the
        cross-entropy, in nats, of the hidden sites, 0 where none is hidden. `draws` (B,): as for
        `hidden_rows`.
        """
        hidden = hidden_rows(batch, draws)
        sites = self.encoder.sites(without(batch, hidden))
        crystals = self.encoder.crystal_vectors(
            sites, batch.site_weight, batch.crystal, batch.sizes
        )
        known = ~targets.isnan()
        errors = (self.computed(crystals).to(targets.dtype) - targets.nan_to_num()).abs() * known
        return errors.sum(1) / known.sum(1).clamp(min=1), self._elements(batch, sites, hidden)

    def _elements(self, batch: RaggedBatch, sites: Tensor, hidden: Tensor) -> Tensor:
        """Cross-entropy (B,) of the element of the hidden sites of each crystal."""
        rows = hidden.nonzero()[:, 0]
        weight, crystal = batch.site_weight[rows], batch.crystal[rows]
        logits = self.element(self.hidden_layer(sites[rows], weight))
        entropy = F.cross_entropy(logits, batch.numbers[rows], reduction="none")
        none = torch.zeros_like(batch.sizes)
        total = none.index_add(0, crystal, weight).clamp(min=1)
        return none.index_add(0, crystal, entropy.to(none.dtype) * weight) / total


def hidden_rows(batch: RaggedBatch, draws: Tensor) -> Tensor:
    """Which site classes (R,) bool are hidden: those of the k-th element of a crystal of n.

    draws (B,): k is the integer part of n times it; none is hidden where it is negative.
    """
    species = batch.crystal * (HEAVIEST + 1) + batch.numbers
    different, place = species.unique(return_inverse=True)
    elements = torch.bincount(different // (HEAVIEST + 1), minlength=len(batch.sizes))
    chosen = (draws.to(elements.device) * elements).floor().long().clamp(max=elements - 1)
    chosen = torch.where(draws.to(chosen.device) < 0, -1, elements.cumsum(0) - elements + chosen)
    return place == chosen[batch.crystal]


def without(batch: RaggedBatch, hidden: Tensor) -> RaggedBatch:
    """The batch with the element of the `hidden` rows (R,) and its oxidation state hidden.

    Its pair types remain: pairs that were of one type are still alike.
    """
    return replace(
        batch,
        numbers=batch.numbers.masked_fill(hidden, HIDDEN),
        oxidation=batch.oxidation.masked_fill(hidden, 0.0),
    )
