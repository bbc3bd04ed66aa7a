"""Input features of sites and pairs, computed on the device from Z, oxidation and distance."""

import torch
from torch import Tensor, nn

from sitenet.crystal.element_features import element_features, feature_scaling
from sitenet.crystal.site_geometry import CHANNELS
from sitenet.options.model import ModelSettings

# Angstrom per bohr as the published models were trained with: CODATA 2022, but in units of the
# "Angstrom star" (1.00001495 A); kept so that their weights give their predictions.
BOHR = 0.529177210544 / 1.00001495

ELEMENTS = 200
"""Rows of tables by atomic number, as many as in the published models."""


class SiteFeatures(nn.Module):
    """Learned element embedding, then the eight elemental properties and the oxidation state.

    The embedding has 200 rows, N(0, 1), norm at most 1 (section 2.2, 10.1039/d3dd00005b).
    Properties are shifted and scaled as `scaling` says (`feature_scaling`). Without an embedding
    (size 0) the properties alone, as in 10.1039/d4dd00202d. With `geometry`, what surrounds the
    site (`sitenet.crystal.site_geometry`) comes last.
    """

    properties: Tensor
    shift: Tensor
    factor: Tensor

    def __init__(self, embedding_size: int, scaling: str, geometry: bool = False) -> None:
        super().__init__()
        self.geometry = geometry
        self.embedding = (
            nn.Embedding(ELEMENTS, embedding_size, max_norm=1.0) if embedding_size else None
        )
        shift, factor = feature_scaling(scaling)
        for name, values in (
            ("properties", element_features("impute")),
            ("shift", shift),
            ("factor", factor),
        ):
            # float32 in double precision too: the published models saw the rounded values.
            buffer = torch.tensor(values, dtype=torch.float32)
            self.register_buffer(name, buffer, persistent=False)
        self.outputs = embedding_size + self.shift.numel() + geometry * len(CHANNELS)

    def forward(self, numbers: Tensor, oxidation: Tensor, geometry: Tensor | None = None) -> Tensor:
        """numbers (R,) int64, oxidation (R,) in e, geometry (R, G) if it is read -> (R, outputs).

        Raises:
            ValueError: the geometry is missing.
        """
        known = torch.cat([self.properties[numbers], oxidation[:, None]], 1)
        parts = [(known - self.shift) * self.factor]
        if self.embedding is not None:
            parts.insert(0, self.embedding(numbers))
        if self.geometry:
            if geometry is None or geometry.shape[1] != len(CHANNELS):
                raise ValueError(
                    "the model reads the geometry of sites, which these crystals lack: featurise "
                    "them with features.site_geometry: true"
                )
            parts.append(geometry)
        return torch.cat(parts, 1) if len(parts) > 1 else parts[0]


PAIR_FEATURES = {"distance_coulomb": ("d (A)", "ln Coulomb"), "distance": ("d (A)",)}


LARGEST_CENTRE = 8.0
"""A, of the Gaussians of `distance_basis`."""


def pair_inputs(settings: ModelSettings, z_i: Tensor, z_j: Tensor, distance: Tensor) -> Tensor:
    """Features of pairs: those of `pair_features`, then `distance_basis` Gaussians of d."""
    found = pair_features(settings.interaction_features, z_i, z_j, distance)
    if not settings.distance_basis:
        return found
    return torch.cat([found, gaussians(distance, settings.distance_basis, LARGEST_CENTRE)], -1)


def pair_features(kind: str, z_i: Tensor, z_j: Tensor, distance: Tensor) -> Tensor:
    """Features (..., 1 or 2) of pairs: d in A, and with `distance_coulomb` ln of the Coulomb entry.

    Coulomb matrix: off the diagonal Z_i Z_j / d in bohr, on it (d = 0) Z^2.4 / 2; ln(x + 1e-8) is
    clipped to [-10, 10] (section 2.2, 10.1039/d3dd00005b).
    """
    if kind == "distance":
        return distance[..., None]
    z_i, z_j = z_i.to(distance.dtype), z_j.to(distance.dtype)
    same = distance == 0
    apart = z_i * z_j / (torch.where(same, 1.0, distance) / BOHR)
    coulomb = torch.where(same, 0.5 * z_i**2.4, apart)
    return torch.stack([distance, torch.log(coulomb + 1e-8).clamp(-10, 10)], -1)


def gaussians(distance: Tensor, count: int, largest: float) -> Tensor:
    """Gaussians (..., count) of distances (...) in A, with centres from 0 to `largest`.

    Each falls to 1/e at the centre of the next.
    """
    centres = torch.linspace(0, largest, count, dtype=distance.dtype, device=distance.device)
    return torch.exp(-(((distance[..., None] - centres) * ((count - 1) / largest)) ** 2))
