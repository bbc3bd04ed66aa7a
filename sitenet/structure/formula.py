"""Reduced formulas in pymatgen's notation."""

import warnings
from functools import lru_cache
from typing import Any

import numpy as np

from sitenet.structure.elements import symbols


def reduced_formula(numbers: np.ndarray[Any, np.dtype[Any]]) -> str:
    """Reduced formula such as LiFePO4; peroxides and elemental gases keep two atoms (Li2O2, O2).

    Args:
        numbers: (n,) atomic numbers.
    """
    return _formula(counts(numbers))


def counts(numbers: np.ndarray[Any, np.dtype[Any]]) -> tuple[tuple[int, int], ...]:
    """Atomic number and reduced count of each element, sorted by atomic number.

    Args:
        numbers: (n,) atomic numbers.
    """
    values, found = np.unique(numbers, return_counts=True)
    factor = np.gcd.reduce(found)
    return tuple(zip(values.tolist(), (found // factor).tolist(), strict=True))


@lru_cache(maxsize=100_000)
def _formula(reduced: tuple[tuple[int, int], ...]) -> str:
    from pymatgen.core import Composition

    with warnings.catch_warnings(action="ignore"):  # about the electronegativity of helium
        return str(Composition({symbols()[z]: n for z, n in reduced}).reduced_formula)
