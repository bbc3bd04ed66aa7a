"""Elemental site features from the Magpie tables, and their scaling."""

import csv
from functools import lru_cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

HEAVIEST = 99
"""Largest atomic number that has features."""

PROPERTIES = (
    "Number",
    "AtomicWeight",
    "Row",
    "Column",
    "FirstIonizationEnergy",
    "Electronegativity",
    "AtomicRadius",
    "Density",
)
"""Columns 1-8: -, u, -, -, eV, - (Pauling), A, g/L."""

OXIDATION_SCALE = 2.5
"""Divisor of the oxidation state (e) in the standard scaling: the common states -4 to +7 become
-1.6 to 2.8, and 0 stays 0."""

DIM_FACTORS = (0.1, 0.1, 1.0, 1.0, 1.0, 10.0, 10.0, 0.001, 1.0)
"""Factors of Deep InfoMax, doi:10.1039/d4dd00202d."""


@lru_cache(maxsize=2)
def element_features(missing: str = "impute") -> Float:
    """Features 1-8 of every element: (100, 8), indexed by atomic number; row 0 is zero.

    The values are those of Magpie's tables in matminer (Ward et al. 2016,
    doi:10.1038/npjcompumats.2016.28; Ward et al. 2018, doi:10.1016/j.commatsci.2018.05.018), where
    19 values are missing.

    Args:
        missing: "impute" replaces missing values by the mean over the elements Z <= 99 that have
            one (matminer's own mean includes Z up to 118, which differs by less than 2 %); "drop"
            leaves NaN.
    """
    table = np.zeros((HEAVIEST + 1, len(PROPERTIES)))
    source = resources.files("sitenet.crystal") / "elemental_properties.csv"
    for row in csv.DictReader(source.read_text().splitlines()):
        table[int(row["Z"])] = [float(row[name]) for name in PROPERTIES]
    if missing == "impute":
        gaps = np.isnan(table[1:])
        table[1:][gaps] = np.broadcast_to(np.nanmean(table[1:], axis=0), gaps.shape)[gaps]
    table.setflags(write=False)
    return table


def missing_property(numbers: NDArray[np.integer]) -> tuple[int, str] | None:
    """The first of `numbers` without a Magpie value, and the name of the property; else None."""
    gaps = np.isnan(element_features("drop"))
    for number in np.unique(numbers):
        if gaps[number].any():
            return int(number), PROPERTIES[int(gaps[number].argmax())]
    return None


def feature_scaling(kind: str) -> tuple[Float, Float]:
    """Shift (9,) and factor (9,): scaled feature = (feature - shift) x factor.

    raw: unscaled (Site-Net). dim: the factors of Deep InfoMax. standard: features 1-8 have mean 0
    and standard deviation 1 over the elements Z = 1-99; the oxidation state is divided by 2.5.

    Raises:
        ValueError: unknown kind.
    """
    if kind == "raw":
        return np.zeros(9), np.ones(9)
    if kind == "dim":
        return np.zeros(9), np.array(DIM_FACTORS)
    if kind == "standard":
        elements = element_features("impute")[1:]
        shift = np.append(elements.mean(axis=0), 0.0)
        return shift, 1.0 / np.append(elements.std(axis=0), OXIDATION_SCALE)
    raise ValueError(f"site_feature_scaling is raw, dim or standard, not {kind!r}")
