"""Hyperparameters of Site-Net (Table 1 of doi:10.1039/d3dd00005b)."""

from dataclasses import dataclass
from typing import Literal

from sitenet.options.features import SiteFeatureScaling
from sitenet.options.option import Options, option

Norm = Literal["layer", "batch", "none"]
Output = Literal["linear", "nonnegative"]

LARGEST_LAYER = 10_000
"""Channels."""


@dataclass(frozen=True)
class ModelSettings(Options):
    """Architecture of a Site-Net; the defaults are those of Table 1 of doi:10.1039/d3dd00005b.

    Widths are numbers of channels.
    """

    embedding_size: int = option(
        92,
        "Length of the learned vector of an element; with 0 an element is described by its "
        "tabulated properties alone.",
        at_least=0,
        at_most=LARGEST_LAYER,
    )
    site_features_per_head: int = option(
        30, "Channels of a site for each attention head.", at_least=1, at_most=LARGEST_LAYER
    )
    interaction_features_per_head: int = option(
        16,
        "Channels of a pair of sites for each attention head.",
        at_least=1,
        at_most=LARGEST_LAYER,
    )
    heads: int = option(3, "Attention heads of a block.", at_least=1, at_most=100)
    blocks: int = option(2, "Attention blocks.", at_least=1, at_most=100)
    attention_layers: tuple[int, ...] = option(
        (225,),
        "Widths of the hidden layers that compute the attention weights.",
        at_least=1,
        at_most=LARGEST_LAYER,
    )
    pre_pool_layers: tuple[int, ...] = option(
        (94,),
        "Widths of the layers between the attention blocks and the pooling.",
        at_least=1,
        at_most=LARGEST_LAYER,
    )
    post_pool_layers: tuple[int, ...] = option(
        (200, 200, 200),
        "Widths of the layers after the pooling; the last gives the crystal's vector.",
        at_least=1,
        at_most=LARGEST_LAYER,
    )
    norm: Norm = option("layer", "Normalisation: layer normalisation, batch normalisation or none.")
    pooling: Literal["mean", "max", "self_attention"] = option(
        "mean",
        "How the sites of a crystal are pooled: mean, maximum, or mean with learned weights "
        "(`self_attention`).",
    )
    cutoff: float | None = option(
        None,
        "Radius (Å) within which atoms attend to each other; with null, every atom attends to all "
        "atoms of the supercell.",
        more_than=0,
    )
    head_layers: tuple[int, ...] = option(
        (),
        "Widths of the hidden layers between the crystal's vector and the prediction.",
        at_least=1,
        at_most=LARGEST_LAYER,
    )
    interaction_features: Literal["distance_coulomb", "distance"] = option(
        "distance_coulomb",
        "Input features of a pair of atoms: the distance (Å) and the logarithm of its entry in "
        "the Coulomb matrix, or the distance alone.",
    )
    local_activation: Literal["mish", "relu"] = option(
        "mish",
        "Activation function of the input layers and the attention blocks; all others use Mish.",
    )
    local_size: int | None = option(
        None,
        "Channels of the sites that the last attention block computes; with null, as many as in "
        "the other blocks.",
        at_least=1,
        at_most=LARGEST_LAYER,
    )
    residual: bool = option(
        False,
        "Whether a block adds its new sites and interactions to those before (residual "
        "connections) in place of replacing them. Not in the paper.",
    )
    distance_basis: int = option(
        0,
        "Gaussians of the distance, with centres up to 8 Å, among the input features of a pair of "
        "atoms. Not in the paper.",
        at_least=0,
        at_most=1000,
    )
    filtered_sum: int = option(
        0,
        "Channels of a sum over near atoms of their features times a learned function of the "
        "distance, which each block has beside the attention; with 0 there is none. Not in the "
        "paper.",
        at_least=0,
        at_most=LARGEST_LAYER,
    )
    filtered_sum_cutoff: float = option(
        6.0, "Radius (Å) of this sum, at which the weight of an atom falls to zero.", more_than=0
    )
    composition_reference: bool = option(
        False,
        "Whether the network predicts the difference from a linear function of the composition, "
        "fitted to the training labels by ridge regression. Not in the paper.",
    )
    auxiliary: int = 0
    """Numbers that are learned beside the label to predict; set by the training."""
    site_geometry: bool = option(
        False,
        "Whether the input features of a site include what surrounds it (coordination, bond "
        "lengths, angles); `features.site_geometry` must be true.",
    )
    site_feature_scaling: SiteFeatureScaling = "standard"
    """Set by the sections `features` and `infomax`."""
    output: Output = "linear"
    """Set by the task: `nonnegative` clamps predictions at zero (the paper's band gaps)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.residual and self.local_size not in (None, self.site_width):
            raise ValueError(
                "local_size must be null with `residual`: what is added has the same channels"
            )
        if self.distance_basis == 1:
            raise ValueError("distance_basis must be 0 or more than 1")

    @property
    def sum_radius(self) -> float:
        """Radius (A) of the sum over near atoms: no atom counts that attention may not see."""
        return min(self.filtered_sum_cutoff, self.cutoff or self.filtered_sum_cutoff)

    @property
    def site_width(self) -> int:
        """Channels of a site (lambda of the paper)."""
        return self.heads * self.site_features_per_head

    @property
    def local_width(self) -> int:
        """Channels of a site's local representation: the new sites of all blocks."""
        return (self.blocks - 1) * self.site_width + (self.local_size or self.site_width)

    @property
    def interaction_width(self) -> int:
        """Channels of a pair (mu of the paper)."""
        return self.heads * self.interaction_features_per_head

    @property
    def pair_width(self) -> int:
        """Channels of B_ij = [S_i, S_j, I_ij]."""
        return 2 * self.site_width + self.interaction_width
