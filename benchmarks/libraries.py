"""What is written by hand beside the library that does the same, on crystals of a table of CIFs.

    OMP_NUM_THREADS=1 python benchmarks/libraries.py --table PATH.parquet --crystals 200

Prints milliseconds of processor time per crystal, median and largest. Results are compared in the
tests, not here.
"""

import argparse
import signal
import time
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import spglib
from pymatgen.analysis.ewald import EwaldSummation
from pymatgen.core import Composition, Structure
from pymatgen.io.cif import CifParser

from sitenet.crystal.descriptors import descriptor
from sitenet.crystal.distances import atom_distances
from sitenet.crystal.orbital_field import HEAVIEST
from sitenet.crystal.primitive import primitive_cell
from sitenet.crystal.supercell import optimal_supercell
from sitenet.crystal.symmetry import point_operations
from sitenet.sources.ewald import ewald_energy
from sitenet.structure.cif import Crystal, read_cif
from sitenet.structure.elements import symbols
from sitenet.structure.oxidation import _means, guess_oxidation

PATIENCE = 20
"""Seconds after which a library's call is given up; it then counts with so much."""

LEAST = 0.02
"""Seconds that a measurement takes at least."""

Call = Callable[[], Any]


def calls(text: str, n_atoms: int) -> dict[str, tuple[Call, Call]]:
    """For each task: ours, and the library's."""
    given = read_cif(text)
    oxidation = guess_oxidation(given.numbers)
    cell = primitive_cell(given.lattice, given.numbers, given.frac, oxidation, 0.01)
    metric = cell.lattice @ cell.lattice.T
    matrix = optimal_supercell(cell, n_atoms).matrix
    names = [symbols()[z] for z in cell.numbers]
    structure = Structure(cell.lattice, names, cell.frac)
    formula = Composition(dict(zip(*np.unique([symbols()[z] for z in given.numbers],
                                              return_counts=True), strict=True)))  # fmt: skip
    found: dict[str, tuple[Call, Call]] = {
        "CIF text to a crystal (pymatgen)": (lambda: read_cif(text), lambda: _pymatgen(text)),
        "oxidation states (pymatgen)": (
            lambda: _guess(given), lambda: formula.oxi_state_guesses()),
        "point operations (spglib)": (
            lambda: point_operations(metric, cell.frac, cell.numbers, 0.01),
            lambda: spglib.get_symmetry((cell.lattice, cell.frac, cell.numbers), symprec=0.01)),
        f"distances, N = {n_atoms} (pymatgen)": (
            lambda: atom_distances(cell.lattice, cell.frac, matrix),
            lambda: _all_distances(structure, matrix)),
    }  # fmt: skip
    if any(oxidation) and abs(cell.oxidation.sum()) < 1e-6:
        charged = structure.copy()
        charged.add_oxidation_state_by_site(list(cell.oxidation))
        found["Ewald energy (pymatgen)"] = (
            lambda: ewald_energy(cell.lattice, cell.frac, cell.oxidation),
            lambda: EwaldSummation(charged).total_energy)  # fmt: skip
    if given.numbers.max() <= HEAVIEST:
        found |= {
            "orbital field matrix (matminer)": (
                lambda: descriptor(given, "ofm"),
                lambda: _featurizers()["ofm"].featurize(structure.copy())),
            "powder pattern (matminer)": (
                lambda: descriptor(given, "xrd"),
                lambda: _featurizers()["xrd"].featurize(structure)),
        }  # fmt: skip
    return found


def _pymatgen(text: str) -> Structure:
    return CifParser.from_str(text).parse_structures(primitive=False)[0]


def _guess(crystal: Crystal) -> Any:
    _means.cache_clear()  # one guess per formula is kept
    return guess_oxidation(crystal.numbers)


def _all_distances(structure: Structure, matrix: np.ndarray) -> np.ndarray:
    supercell = structure.make_supercell(matrix, in_place=False)
    return supercell.lattice.get_all_distances(
        supercell.frac_coords[:: round(abs(np.linalg.det(matrix)))], supercell.frac_coords
    )


@cache
def _featurizers() -> dict[str, Any]:
    from matminer.featurizers.structure import OrbitalFieldMatrix, XRDPowderPattern

    return {"ofm": OrbitalFieldMatrix(), "xrd": XRDPowderPattern()}


class GivenUp(BaseException):
    """A call took longer than PATIENCE; no `except Exception` on the way may take it."""


def _give_up(*_: Any) -> None:
    raise GivenUp


def seconds(call: Call) -> float:
    """Processor time of a call, in the mean of enough of them for the clock."""
    signal.alarm(PATIENCE)
    start, repeats = time.process_time(), 0
    try:
        while (spent := time.process_time() - start) < LEAST:
            call()
            repeats += 1
    except GivenUp:
        return float(PATIENCE)
    finally:
        signal.alarm(0)
    return spent / repeats


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--table", type=Path, required=True, help="Parquet file with a column cif")
    parser.add_argument("--crystals", type=int, default=200)
    parser.add_argument("--n", type=int, default=100, help="atoms of a supercell")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, _give_up)
    cifs = pq.read_table(options.table, columns=["cif"])["cif"]
    order = np.random.default_rng(options.seed).permutation(len(cifs))[: options.crystals + 1]
    times: dict[str, list[tuple[float, float]]] = {}
    for number, index in enumerate(order):
        for task, (ours, theirs) in calls(cifs[int(index)].as_py(), options.n).items():
            measured = seconds(ours), seconds(theirs)
            if number:  # the first loads tables
                times.setdefault(task, []).append(measured)
    print("| | crystals | here: median | largest (ms) | library: median | largest (ms) |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for task, pairs in times.items():
        middle, worst = 1e3 * np.median(pairs, axis=0), 1e3 * np.max(pairs, axis=0)
        print(f"| {task} | {len(pairs)} | {middle[0]:.2f} | {worst[0]:.1f} | {middle[1]:.2f} "
              f"| {worst[1]:.1f} |")  # fmt: skip


if __name__ == "__main__":
    main()
