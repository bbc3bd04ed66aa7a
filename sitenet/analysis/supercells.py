"""Size of primitive cells, and filling and shape of their supercells, for both supercell rules."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sitenet.analysis.crystal_sample import choose_ids, chosen_crystals
from sitenet.analysis.supercell_rules import RULES
from sitenet.crystal.greedy_supercell import greedy_supercell, pymatgen_primitive
from sitenet.crystal.lattice_reduction import minkowski
from sitenet.crystal.primitive import primitive_cell
from sitenet.crystal.supercell import cubicness, optimal_supercell
from sitenet.guard import Failure, check_accounts, guarded_map
from sitenet.options.limits import LIMITS, LimitSettings
from sitenet.progress import Progress, log
from sitenet.structure.cif import Crystal
from sitenet.tables import write_table

Float = NDArray[np.float64]
Int = NDArray[np.int64]


def write_supercells(
    structures: Path,
    n_atoms: int,
    crystals: int,
    tolerance: float,
    out: Path,
    seed: int = 0,
    workers: int = 1,
    limits: LimitSettings = LIMITS,
) -> None:
    """Measure the supercells of a sample of crystals; write Parquet `out`.

    Columns of `out`: id, supercell (rule), n_sites (of that rule's primitive cell), images,
    filling (atoms of the supercell / `n_atoms`; above 1 if a single cell is too large), cubicness
    (1 for a cube) and elongation (longest / shortest vector) of the supercell's reduced basis.

    Args:
        structures: table of structures.
        n_atoms: largest number of atoms of a supercell.
        crystals: sample size.
        tolerance: of the primitive cell, in A; the published rule has a tolerance of its own.
        out: Parquet file to write.
        seed: of the sample.
        workers: number of processes.
        limits: of a crystal.

    Raises:
        ValueError: no supercell could be constructed.
    """
    chosen = choose_ids(structures, crystals, seed)
    progress = Progress(len(chosen), f"supercells N={n_atoms}", "crystals")
    work = partial(_measure, n_atoms=n_atoms, tolerance=tolerance)
    named = chosen_crystals(structures, chosen)
    outcomes = guarded_map(work, named, workers, limits.seconds, limits.memory_gib)
    rows: list[dict[str, object]] = []
    missing = 0
    for name, measured in progress.counting(outcomes):
        if isinstance(measured, Failure):
            missing += 1
        else:
            rows += [{"id": name} | row for row in measured]
    progress.finish()
    check_accounts("supercells", len(chosen), len(rows) // len(RULES), missing)
    if not rows:
        raise ValueError(f"{structures} has no crystal whose supercells could be constructed")
    if missing:
        log.info(f"supercells: {missing:,} crystals failed (see above) and were left out")
    write_table(out, pd.DataFrame(rows))


def _measure(crystal: Crystal, n_atoms: int, tolerance: float) -> list[dict[str, object]]:
    """A row for each rule."""
    given = crystal.lattice, crystal.numbers, crystal.frac, np.zeros(len(crystal.numbers))
    cell = primitive_cell(*given, tolerance)
    ours = cell.lattice, len(cell.numbers), optimal_supercell(cell, n_atoms).matrix
    lattice, numbers, *_ = pymatgen_primitive(*given)
    theirs = lattice, len(numbers), greedy_supercell(lattice, len(numbers), n_atoms)
    return [
        {"supercell": rule} | _shape(*found, n_atoms)
        for rule, found in zip(RULES, (ours, theirs), strict=True)
    ]


def _shape(lattice: Float, sites: int, matrix: Int, n_atoms: int) -> dict[str, object]:
    axes = matrix @ lattice
    axes = minkowski(axes @ axes.T) @ axes
    lengths = np.linalg.norm(axes, axis=1)
    images = abs(round(float(np.linalg.det(matrix))))
    return {
        "n_sites": sites,
        "images": images,
        "filling": sites * images / n_atoms,
        "cubicness": cubicness(axes),
        "elongation": float(lengths.max() / lengths.min()),
    }
