"""How representations are compared, and mapped on a plane."""

from dataclasses import dataclass
from typing import Literal

from sitenet.options.option import LARGEST_SEED, Options, option

LABEL_COUNTS = (50, 100, 250, 1000)
"""Numbers of labels in doi:10.1039/d4dd00202d."""


@dataclass(frozen=True)
class RepresentationSettings(Options):
    """How simple models on fixed representations are compared (doi:10.1039/d4dd00202d, Fig. 8)."""

    label_counts: tuple[int, ...] = option(
        LABEL_COUNTS, "Numbers of labels to train on.", at_least=5, not_empty=True, unique=True
    )
    masks: int = option(100, "Draws of the labels for each number of labels.", at_least=1)
    pool: int | None = option(
        None,
        "Number of training crystals that labels are drawn from; null takes all.",
        at_least=1,
    )
    test: int | None = option(None, "Number of test crystals; null takes all.", at_least=1)
    seed: int = option(
        0,
        "Seed of the choice of `pool`, `test` and `map_points`.",
        at_least=0,
        at_most=LARGEST_SEED,
    )
    mlp_width: int = option(64, "Width of the hidden layer of the small network.", at_least=1)
    mlp_max_iter: int = option(5000, "Largest number of its iterations.", at_least=1)


@dataclass(frozen=True)
class MapSettings(Options):
    """How test crystals are mapped on a plane."""

    points: int | None = None
    """Test crystals on the map, drawn by `seed`; None: all."""
    perplexity: float = 0.05
    """Perplexity as a share of the points."""
    seed: int = 0


@dataclass(frozen=True)
class RepresentationSection(RepresentationSettings):
    """Linear regression and a small network on fixed representations, and maps of these.

    Only the crystals of `pool` and `test` are described by descriptors.
    """

    descriptors: tuple[Literal["ofm", "xrd"], ...] = option(
        ("ofm", "xrd"),
        "Descriptors to compare with, those of matminer: orbital field matrices (`ofm`, 0.02 s "
        "per crystal) and powder diffraction patterns (`xrd`).",
        unique=True,
    )
    map_points: int | None = option(
        5000,
        "Largest number of test crystals on a map; null takes all (10 minutes for 20,000).",
        at_least=10,
    )
