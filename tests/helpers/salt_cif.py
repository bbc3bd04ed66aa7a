"""CIF text of a rock salt."""

import numpy as np
from example_crystals import EXAMPLES

from sitenet.sources.cif_writer import write_cif


def salt(cation: str = "Na", anion: str = "Cl", edge: float = 5.64) -> str:
    """CIF text of a rock salt."""
    frac = EXAMPLES["rocksalt"].frac
    return write_cif("salt", edge * np.eye(3), [cation] * 4 + [anion] * 4, frac)
