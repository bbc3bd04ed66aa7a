"""Species of sites: their element and oxidation state."""

import numpy as np
from numpy.typing import NDArray


def species_of(numbers: NDArray[np.int64], oxidation: NDArray[np.float64]) -> NDArray[np.int64]:
    """Number 0, 1, ... of the species of each site (n,), in order of element and oxidation state.

    Args:
        numbers: (n,) atomic numbers.
        oxidation: (n,) oxidation states in e.
    """
    both = list(zip(numbers.tolist(), oxidation.tolist(), strict=True))
    number = {species: k for k, species in enumerate(sorted(set(both)))}
    return np.array([number[species] for species in both])
