"""The structure type of a crystal: what it shares with crystals of other elements."""

from collections import Counter
from functools import reduce
from itertools import cycle
from math import gcd
from string import ascii_uppercase

import numpy as np
import spglib
from numpy.typing import NDArray

LARGEST = 200
"""Sites of a cell up to which its symmetry is searched: the time grows with their third power."""


def structure_type(
    lattice: NDArray[np.float64], numbers: NDArray[np.int64], frac: NDArray[np.float64]
) -> str:
    """Anonymous formula, space group and sites of the primitive cell: `AB, 225, 2` for rock salt.

    Crystals of one type mostly have the same prototype. Cells without a space group, and those of
    more than LARGEST sites, have the space group `?` and the sites of the cell as given.

    Args:
        lattice: (3, 3) rows a, b, c in A.
        numbers: (n,) atomic numbers.
        frac: (n, 3) fractional positions.
    """
    group, sites = "?", len(numbers)
    if len(numbers) <= LARGEST:
        try:
            found = spglib.get_symmetry_dataset((lattice, frac, numbers), symprec=0.01)
        except Exception:  # spglib 3 will raise where spglib 2 returns None
            found = None
        if found is not None:
            group = str(found.number)
            sites = len(np.unique(found.mapping_to_primitive))
    return f"{anonymous_formula(numbers)}, {group}, {sites}"


def anonymous_formula(numbers: NDArray[np.int64]) -> str:
    """Letters in place of elements, the rarest first: `AB2` for TiO2, `ABC3` for CaTiO3."""
    counts = sorted(Counter(numbers.tolist()).values())
    divisor = reduce(gcd, counts)
    return "".join(
        letter + (str(number // divisor) if number > divisor else "")
        for letter, number in zip(cycle(ascii_uppercase), counts, strict=False)
    )
