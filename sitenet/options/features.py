"""Options of featurising: from a crystal to numbers."""

from dataclasses import dataclass
from typing import Literal

from sitenet.options.option import Options, option

Supercell = Literal["optimal", "greedy"]
SiteFeatureScaling = Literal["standard", "raw", "dim"]

SCALINGS = (
    "`standard`: standard deviations from the mean over the elements. `raw`: tabulated values, as "
    "in the first paper. `dim`: tabulated values times fixed factors, as in the second paper."
)


@dataclass(frozen=True)
class FeatureSettings(Options):
    """How crystals become supercells and merged pairs."""

    n_atoms: int = 100
    """N: largest number of atoms of a supercell."""
    supercell: Supercell = option(
        "optimal",
        "`optimal`: the fullest and most cubic supercell of at most N atoms, the same for every "
        "description of the crystal. `greedy`: the rule of the published code, with its primitive "
        "cell.",
    )
    primitive_tolerance: float = option(
        0.01,
        "Largest distance (Å) of a site from a symmetric position that still counts as that "
        "position (spglib's `symprec`).",
        more_than=0,
        at_most=1,
    )
    merge_tolerance: float = option(
        1e-5,
        "Distances (Å) that differ by less are taken as equal when pairs are merged.",
        more_than=0,
        at_most=1e-4,
    )
    oxidation: Literal["guess", "given"] = option(
        "guess",
        "Oxidation states: `guess` derives them from the composition, `given` takes those of the "
        "CIF, 0 where it has none.",
    )
    missing_elements: Literal["impute", "drop"] = option(
        "impute",
        "Elements without a tabulated property: `impute` gives them the mean of the other "
        "elements, `drop` rejects their crystals, as the published code does.",
    )
    site_geometry: bool = option(
        False,
        "Whether crystals are featurised with what surrounds each site: coordination numbers, bond "
        "lengths and Steinhardt's bond-orientational order parameters, which see angles. Networks "
        "with `model.site_geometry` read it.",
    )


@dataclass(frozen=True)
class FeatureSection(FeatureSettings):
    """From a crystal to the numbers that a network reads.

    The largest number of atoms of a supercell, N, is set for each run.
    """

    site_feature_scaling: SiteFeatureScaling = option(
        "standard", f"Scale of the tabulated properties of the elements. {SCALINGS}"
    )
