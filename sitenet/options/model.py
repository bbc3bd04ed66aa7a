"""Hyperparameters of Site-Net (Table 1 of doi 10.1039/d3dd00005b)."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class ModelSettings:
    """Architecture of a Site-Net; the defaults are Table 1's.

    Widths are numbers of channels, `cutoff` is in A (None attends to every atom). `output`
    is `linear`, or `nonnegative` for a label that is never negative (the clamped band-gap head).
    `local_activation` acts in the input layers and the attention blocks, `local_size` is the width
    of the last block's new sites (None: that of every block), `head_layers` stand between the
    crystal's vector and the label. Deep InfoMax (10.1039/d4dd00202d) has no embedding, one block
    of one head, and the distance alone as interaction feature.
    """

    embedding_size: int = 92
    site_features_per_head: int = 30
    interaction_features_per_head: int = 16
    heads: int = 3
    blocks: int = 2
    attention_layers: tuple[int, ...] = (225,)
    pre_pool_layers: tuple[int, ...] = (94,)
    post_pool_layers: tuple[int, ...] = (200, 200, 200)
    norm: str = "layer"
    pooling: str = "mean"
    cutoff: float | None = None
    head_layers: tuple[int, ...] = ()
    interaction_features: str = "distance_coulomb"
    local_activation: str = "mish"
    local_size: int | None = None
    site_feature_scaling: str = "standard"
    output: str = "linear"

    def __post_init__(self) -> None:
        choices = {
            "norm": ("layer", "batch", "none"),
            "pooling": ("mean", "max", "self_attention"),
            "interaction_features": ("distance_coulomb", "distance"),
            "local_activation": ("mish", "relu"),
            "site_feature_scaling": ("standard", "raw", "dim"),
            "output": ("linear", "nonnegative"),
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {allowed}, not {getattr(self, name)!r}")
        least = {"embedding_size": 0, "site_features_per_head": 1, "heads": 1, "blocks": 1}
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise ValueError(f"{name} must be at least {bound}")

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

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "ModelSettings":
        """The inverse of `to_dict`; lists become tuples. Unknown names raise TypeError."""
        known: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in values.items()
        }
        return cls(**known)
