"""Sums over near atoms, which count them; attention, which takes means, does not.

A continuous filter as in SchNet (doi:10.1063/1.5019779): the features of each near atom times a
learned function of its distance.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from sitenet.model.input_features import gaussians

GAUSSIANS = 32
"""Functions of the distance that a filter is a linear combination of."""


@dataclass(frozen=True)
class Neighbours:
    """Near atoms of the site classes of a batch.

    row, column (E',) int64 site classes; weight (E',) atoms that are merged times the envelope,
    which falls to zero at the cutoff; kind (E',) int64 row of `basis` (T, GAUSSIANS).
    """

    row: Tensor
    column: Tensor
    weight: Tensor
    kind: Tensor
    basis: Tensor


def neighbours(
    row: Tensor, column: Tensor, count: Tensor, kind: Tensor, distance: Tensor, cutoff: float
) -> Neighbours:
    """Pairs (E,) with distances (T,) in A by their `kind`; an atom is no neighbour of itself.

    On the CPU those beyond the cutoff are left out; a GPU would have to wait for their number.
    """
    part = (distance / cutoff).clamp(max=1)
    envelope = (1 - part) ** 2 * (1 + 2 * part) * (distance > 0)
    weight = count * envelope.index_select(0, kind)
    if not distance.is_cuda:
        near = weight.nonzero()[:, 0]
        row, column, kind, weight = (x.index_select(0, near) for x in (row, column, kind, weight))
    return Neighbours(row, column, weight, kind, gaussians(distance, GAUSSIANS, cutoff))


class FilteredSum(nn.Module):
    """Normalised sum over the neighbours of each site: `channels` of them."""

    def __init__(self, site_width: int, channels: int) -> None:
        super().__init__()
        self.project = nn.Linear(site_width, channels)
        self.filter = nn.Linear(GAUSSIANS, channels)
        self.norm = nn.LayerNorm(channels)

    def forward(self, sites: Tensor, near: Neighbours) -> Tensor:
        """sites (R, site_width) -> (R, channels)."""
        filters = self.filter(near.basis).index_select(0, near.kind)
        features = self.project(sites).index_select(0, near.column)
        weighted = (features * filters).to(near.weight.dtype) * near.weight[:, None]
        total = weighted.new_zeros(len(sites), weighted.shape[1])
        return self.norm(total.index_add(0, near.row, weighted))
