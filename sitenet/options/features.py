"""Options of featurising: from a crystal to numbers."""

from dataclasses import dataclass


@dataclass(frozen=True)
class FeatureSettings:
    """How crystals become numbers; lengths in A.

    supercell: optimal, or greedy as in the published code (with its primitive cell).
    oxidation: guess from the composition, or given by the CIF (0 where it carries none).
    missing_elements: impute Magpie's gaps, or drop crystals with such elements.
    """

    n_atoms: int = 100
    supercell: str = "optimal"
    primitive_tolerance: float = 0.01
    merge_tolerance: float = 1e-5
    oxidation: str = "guess"
    missing_elements: str = "impute"
