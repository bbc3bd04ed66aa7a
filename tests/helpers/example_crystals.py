"""Example crystals, their primitive cells, and equivalent descriptions of a crystal."""

import json
from pathlib import Path

import numpy as np

from sitenet.crystal.primitive import PrimitiveCell, primitive_cell
from sitenet.structure.cif import Crystal, read_cif

THIRD = 1 / 3


def crystal(lattice, numbers, frac, oxidation=None) -> Crystal:
    numbers = np.array(numbers)
    oxidation = np.zeros(len(numbers)) if oxidation is None else np.array(oxidation, dtype=float)
    lattice = np.array(lattice, dtype=float)
    return Crystal(lattice, numbers, np.array(frac, dtype=float) % 1.0, oxidation)


def _face_centred(first, second):
    corners = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    return np.vstack([corners + first, corners + second])


RUTILE = [[0, 0, 0], [0.5, 0.5, 0.5], [0.305, 0.305, 0], [0.695, 0.695, 0], [0.195, 0.805, 0.5],
          [0.805, 0.195, 0.5]]  # fmt: skip
PEROVSKITE = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]

EXAMPLES = {
    "rocksalt": crystal(np.eye(3) * 5.64, [11] * 4 + [17] * 4, _face_centred(0, [0.5, 0, 0])),
    "diamond": crystal(np.eye(3) * 3.567, [6] * 8, _face_centred(0, 0.25)),
    "rutile": crystal(np.diag([4.594, 4.594, 2.959]), [22, 22, 8, 8, 8, 8], RUTILE),
    "perovskite": crystal(np.eye(3) * 3.905, [38, 22, 8, 8, 8], PEROVSKITE),
    "hcp": crystal(
        [[3.209, 0, 0], [-1.6045, 3.209 * 0.75**0.5, 0], [0, 0, 5.211]],
        [12, 12],
        [[THIRD, 2 * THIRD, 0.25], [2 * THIRD, THIRD, 0.75]],
    ),
    "triclinic": crystal(
        [[4.1, 0.3, -0.2], [0.9, 5.2, 0.4], [-0.7, 1.1, 6.3]],
        [8, 14, 26, 8],
        [[0.11, 0.22, 0.33], [0.61, 0.48, 0.07], [0.31, 0.84, 0.58], [0.77, 0.13, 0.71]],
    ),
    "layers": crystal(np.diag([2.5, 2.7, 21.0]), [6, 7], [[0, 0, 0], [0.5, 0.5, 0.05]]),
}
"""By name; rocksalt and diamond as conventional cells of 8 sites."""

OPERATIONS = {"rocksalt": 48, "diamond": 48, "rutile": 16, "perovskite": 48, "hcp": 24,
              "triclinic": 1, "layers": 4}  # fmt: skip
"""Order of the point group, from the International Tables."""

SITES = {"rocksalt": 2, "diamond": 2, "rutile": 6, "perovskite": 5, "hcp": 2, "triclinic": 4,
         "layers": 2}  # fmt: skip
"""In the primitive cell."""


def bench_crystals(shared: Path, every: int = 1) -> list[Crystal]:
    """Each `every`-th of the 125 varied real structures."""
    entries = json.loads((shared / "data" / "bench_125.json").read_text())[::every]
    return [_from_dict(entry["structure"]) for entry in entries]


def _from_dict(structure: dict) -> Crystal:
    from pymatgen.core import Element

    sites = structure["sites"]
    numbers = [Element(site["species"][0]["element"]).Z for site in sites]
    return crystal(structure["lattice"]["matrix"], numbers, [site["abc"] for site in sites])


def cif_crystals(reference: Path) -> list[Crystal]:
    """The crystals of the complexity reference."""
    paths = sorted((reference / "complexity").rglob("*.cif"))
    return [read_cif(path.read_bytes()) for path in paths]


def primitive(given: Crystal, tolerance: float = 0.01) -> PrimitiveCell:
    """The primitive cell of a crystal."""
    return primitive_cell(given.lattice, given.numbers, given.frac, given.oxidation, tolerance)


def noisy(given: Crystal, size: float, seed: int = 0) -> Crystal:
    """Sites and cell disturbed by at most about `size` (A)."""
    random = np.random.default_rng(seed)
    lattice = given.lattice * (1 + size / 20 * random.uniform(-1, 1, (3, 3)))
    shift = random.uniform(-1, 1, given.frac.shape) * size / 2 @ np.linalg.inv(given.lattice)
    return crystal(lattice, given.numbers, given.frac + shift, given.oxidation)


def unimodular(random: np.random.Generator) -> np.ndarray:
    """A random change of basis, |components| <= 2."""
    while True:
        matrix = random.integers(-2, 3, (3, 3))
        if round(np.linalg.det(matrix)) == 1:
            return matrix


def rebased(given: Crystal, random: np.random.Generator) -> Crystal:
    change = unimodular(random)
    frac = given.frac @ np.linalg.inv(change)
    return crystal(change @ given.lattice, given.numbers, frac, given.oxidation)


def translated(given: Crystal, random: np.random.Generator) -> Crystal:
    return crystal(given.lattice, given.numbers, given.frac + random.random(3), given.oxidation)


def rotated(given: Crystal, random: np.random.Generator) -> Crystal:
    """Turned, or turned and mirrored."""
    turn, _ = np.linalg.qr(random.normal(size=(3, 3)))
    return crystal(given.lattice @ turn, given.numbers, given.frac, given.oxidation)


def permuted(given: Crystal, random: np.random.Generator) -> Crystal:
    order = random.permutation(len(given.numbers))
    return crystal(given.lattice, given.numbers[order], given.frac[order], given.oxidation[order])


def doubled(given: Crystal, random: np.random.Generator) -> Crystal:
    """Two cells along a random axis."""
    axis = np.eye(3)[random.integers(3)]
    frac = np.vstack([given.frac, given.frac + axis]) / (1 + axis)
    oxidation = np.tile(given.oxidation, 2)
    return crystal((1 + axis)[:, None] * given.lattice, np.tile(given.numbers, 2), frac, oxidation)


REDESCRIPTIONS = (rebased, translated, rotated, permuted, doubled)
