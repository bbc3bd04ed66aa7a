"""Elemental site features of the Magpie tables and their scaling."""

import csv
from functools import lru_cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

HEAVIEST = 99
"""Largest atomic number with features."""

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
"""Divisor of the oxidation state (e) in the standard scaling: the usual states -4 ... +7 become
-1.6 ... 2.8, and neutral stays 0."""

DIM_FACTORS = (0.1, 0.1, 1.0, 1.0, 1.0, 10.0, 10.0, 0.001, 1.0)
"""Deep InfoMax, doi:10.1039/d4dd00202d."""


@lru_cache(maxsize=2)
def element_features(missing: str = "impute") -> Float:
    """Features 1-8 of every element: (100, 8), indexed by atomic number, row 0 zeros.

    Magpie's tables as matminer ships them (Ward et al. 2016, doi:10.1038/npjcompumats.2016.28;
    Ward et al. 2018, doi:10.1016/j.commatsci.2018.05.018), where 19 values are missing.

    Args:
        missing: "impute" puts the mean over the elements Z <= 99 that have a value (matminer's own
            mean goes on to Z = 118, a difference below 2 %); "drop" leaves NaN.
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
    """First atomic number among `numbers` that lacks a Magpie value, and the property's name."""
    gaps = np.isnan(element_features("drop"))
    for number in np.unique(numbers):
        if gaps[number].any():
            return int(number), PROPERTIES[int(gaps[number].argmax())]
    return None


def feature_scaling(kind: str) -> tuple[Float, Float]:
    """Shift (9,) and factor (9,): scaled feature = (feature - shift) x factor.

    raw: as they are (Site-Net); dim: the factors of Deep InfoMax; standard: features 1-8 to mean
    0 and standard deviation 1 over the elements Z = 1-99, the oxidation state divided by 2.5.

    Raises:
        ValueError: no such scaling.
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
