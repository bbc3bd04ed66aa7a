"""Settings of Deep InfoMax (doi 10.1039/d4dd00202d)."""

from dataclasses import asdict, dataclass
from typing import Any

FALSE_SAMPLES = ("other_crystal", "polymorph", "composition", "permutation")


@dataclass(frozen=True)
class InfoMaxSettings:
    """What is told apart, and how the losses are added; the defaults are the paper's.

    `upscaling_layers`: widths of the networks whose outputs' dot product is the score.
    `false_samples`: kinds of false samples (`permutation` acts at the global level only).
    `local_weighting`: `uniform` counts all constituents of an environment alike,
    `inverse_square` by (1 + d)^-2 (d in A; the published code). Total loss of a level:
    `alpha` x score loss + `beta` x KL. `site_feature_scaling`: of the constituents' features.
    """

    upscaling_layers: tuple[int, ...] = (64, 128)
    false_samples: tuple[str, ...] = FALSE_SAMPLES
    local_weighting: str = "uniform"
    alpha: float = 1.0
    beta: float = 0.1
    site_feature_scaling: str = "dim"

    def __post_init__(self) -> None:
        if self.local_weighting not in ("uniform", "inverse_square"):
            raise ValueError(f"local_weighting must not be {self.local_weighting!r}")
        unknown = set(self.false_samples) - set(FALSE_SAMPLES)
        if unknown or not set(self.false_samples) - {"permutation"}:
            raise ValueError(
                f"false_samples must be some of {', '.join(FALSE_SAMPLES)}, not only permutation; "
                f"not {list(self.false_samples)}"
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "InfoMaxSettings":
        """The inverse of `to_dict`; lists become tuples. Unknown names raise TypeError."""
        known: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in values.items()
        }
        return cls(**known)
