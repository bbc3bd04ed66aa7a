"""Hyperparameters of Site-Net (Table 1 of doi 10.1039/d3dd00005b)."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class ModelSettings:
    """Architecture of a Site-Net; the defaults are Table 1's.

    Widths are numbers of channels, `cutoff` is in A (None attends to every atom). `output`
    is `linear`, or `nonnegative` for a label that is never negative (the clamped band-gap head).
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
    site_feature_scaling: str = "standard"
    output: str = "linear"

    def __post_init__(self) -> None:
        choices = {
            "norm": ("layer", "batch", "none"),
            "pooling": ("mean", "max", "self_attention"),
            "site_feature_scaling": ("standard", "raw", "dim"),
            "output": ("linear", "nonnegative"),
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {allowed}, not {getattr(self, name)!r}")
        for name in ("embedding_size", "site_features_per_head", "heads", "blocks"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")

    @property
    def site_width(self) -> int:
        """Channels of a site (lambda of the paper)."""
        return self.heads * self.site_features_per_head

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
