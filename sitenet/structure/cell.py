"""The unit cell: from its parameters to its vectors."""

from math import cos, isfinite, radians, sin, sqrt
from typing import Any

import numpy as np

from sitenet.structure.limits import check_edges
from sitenet.structure.rejection import RejectedCrystal

CELL = (
    "_cell_length_a",
    "_cell_length_b",
    "_cell_length_c",
    "_cell_angle_alpha",
    "_cell_angle_beta",
    "_cell_angle_gamma",
)


def check_parameters(*cell: float) -> None:
    """Raise RejectedCrystal unless a, b, c and the angles (below 180) are positive and possible."""
    for key, value in zip(CELL, cell, strict=True):
        name = key.removeprefix("_cell_").replace("_", " ")
        if not isfinite(value):
            raise RejectedCrystal(f"the cell's {name} is not a finite number")
        if value <= 0 or ("angle" in key and value >= 180):
            raise RejectedCrystal(f"the cell's {name} is {value:g}")
    check_edges(*cell[:3])


def lattice_from_parameters(
    a: float, b: float, c: float, alpha: float, beta: float, gamma: float
) -> np.ndarray[Any, np.dtype[Any]]:
    """Cell vectors, (3, 3) rows a, b, c in A: c along z and a in the x-z plane, as in pymatgen.

    Args:
        a, b, c: lengths in A.
        alpha, beta, gamma: angles in degrees.

    Raises:
        RejectedCrystal: the parameters do not define a cell.
    """
    check_parameters(a, b, c, alpha, beta, gamma)
    alpha, beta, gamma = radians(alpha), radians(beta), radians(gamma)
    cos_star = (cos(alpha) * cos(beta) - cos(gamma)) / (sin(alpha) * sin(beta))
    cos_star = min(max(cos_star, -1.0), 1.0)
    sin_star = sqrt(1 - cos_star * cos_star)
    return np.array(
        [
            [a * sin(beta), 0.0, a * cos(beta)],
            [-b * sin(alpha) * cos_star, b * sin(alpha) * sin_star, b * cos(alpha)],
            [0.0, 0.0, c],
        ]
    )
